"""Input from strangers: thousands of broken files, and what becomes of each.

    python -m tests.fuzz [--count=1000] [--seed=0] [--only=nifti,dataset] [--keep]

Every mutant must give a valid result or an `InputError` of one line; never another
exception, a dead process, more than ten seconds, an allocation of more than 2 GiB, or a
file outside the output directory. The folder ``corpus`` has mutants that once went
wrong; --keep adds to it. They are tried first, here and in the tests.
"""

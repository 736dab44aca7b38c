"""What happens to long trainings on shared machines, done on purpose.

    python -m tests.faults [--seed=0] [--only=kill,full_disk] [--repeats=1]

Small runs are killed, starved of disk and robbed of files. After each fault the run
must go on to the very state and log of a run that was left alone, or stop with one line
that says why.
"""

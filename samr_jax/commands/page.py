"""Opens a page in the browser where a lesion is painted and the images follow.

    samr-jax page --port=8800
    samr-jax page --mask=seg.nii.gz --labels=brats2023
    samr-jax page --workdir=runs/mine --no_browser

No flag is needed. The page shows a slice of a lesion mask, the images of all sequences
and their confidence maps. Edema, cavity and tumor are painted and erased by a brush, or
the lesion is scaled, moved, turned, or replaced by the lesion of another mask. The
images follow within about a second. All slices can be saved as NIfTI files, and the
edits as a recipe, which

    samr-jax edit --mask=mask.nii.gz --edit=edit.json --output=edited.nii.gz

replays to the same mask. Ctrl-C ends the command.

The page is at 127.0.0.1, which only this computer can reach, and its address has a
secret token. Nothing leaves the computer. The page needs one further package:

    pip install 'samr-jax[page]'
"""

from samr_jax.commands.frame.flags import Flags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_FILES = FLAGS.group("Masks")
_MASK = _FILES.string(
    "mask",
    None,
    "Lesion mask to begin with, NIfTI in the atlas's space; by default a simulated "
    "one. More can be loaded on the page.",
    form="FILE",
)
_LABELS = _FILES.string(
    "labels",
    "samr",
    "Codes of the mask and of all donors: samr, or a protocol such as brats2021, "
    "brats2023 or brats2024.",
    form="PRESET",
)
_DONORS = _FILES.strings(
    "donors", [], "Masks whose lesions can replace the lesion.", form="FILE,..."
)

_MODEL = FLAGS.group("Weights and brain")
_WORKDIR = _MODEL.string(
    "workdir", None, "A trained run; by default the packaged weights.", form="RUN"
)
_CHECKPOINT = _MODEL.choice(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_ANATOMY = _MODEL.string(
    "anatomy",
    "seed:0",
    "Brain to begin with, for a run of the config anatomy: a simulated brain, or the "
    "average.",
    form="seed:N|average",
)

_SERVER = FLAGS.group("The page")
_PORT = _SERVER.integer("port", 0, "Port; 0 takes a free one.", 0, 65535)
_NO_BROWSER = _SERVER.switch(
    "no_browser", "Only print the address, and do not open a browser."
)


def main() -> None:
    import secrets

    from samr_jax.page.opening import load_studio, open_in_browser
    from samr_jax.page.serving import ADDRESS, check_server, listen, make_server
    from samr_jax.page.site import Site

    check_server()
    if FLAGS.given("checkpoint") and not _WORKDIR.value:
        raise InputError(
            f"--checkpoint={_CHECKPOINT.value}: of no run, expected --workdir with it"
        )
    listening = listen(_PORT.value)
    studio, anatomy = load_studio(
        workdir=_WORKDIR.value,
        checkpoint=_CHECKPOINT.value,
        mask=_MASK.value,
        labels=_LABELS.value,
        donors=_DONORS.value,
        anatomy=_ANATOMY.value,
    )
    token = secrets.token_urlsafe(16)
    server = make_server(Site(studio, token, anatomy=anatomy), listening)
    port = listening.getsockname()[1]
    address = f"http://{ADDRESS}:{port}/?token={token}"
    print(f"The page is ready: {address}\nCtrl-C ends it.", flush=True)
    if not _NO_BROWSER.value:
        open_in_browser(address)
    server.run()

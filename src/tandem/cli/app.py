"""The commands of `tandem` and their options."""

import sys
from typing import Annotated

import typer

import tandem
from tandem.cli.run import BACK_ENDS, RunCommand, launch, launch_many, make_records

app = typer.Typer(
    name="tandem",
    help="Run existing Keras and MXNet code, unmodified, on one PyTorch engine.",
    no_args_is_help=True,
    add_completion=False,
    # Help without rich, and no exception hook: scripts run in this process, and `--help` should take no time.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool):
    if wanted:
        print(f"tandem {tandem.__version__}")
        raise typer.Exit


@app.callback()
def _tandem(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
): ...


@app.command(cls=RunCommand, context_settings={"allow_interspersed_args": False}, no_args_is_help=True)
def run(
    context: typer.Context,
    script: Annotated[
        str | None, typer.Argument(metavar="SCRIPT", help="A Python file, folder or zip file; - is stdin.")
    ] = None,
    args: Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="What it finds in sys.argv.")] = None,
    module: Annotated[
        str | None, typer.Option("-m", metavar="MODULE", help="Run a module in place of a SCRIPT, as `python -m` does.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="cpu", help="Send mx.gpu(i) and CUDA requests to the CPU.")
    ] = None,
    trust_cache: Annotated[
        bool, typer.Option("--trust-cache", help="Use data set files in the cache even where their hash differs.")
    ] = False,
    compile: Annotated[
        str | None,
        typer.Option("--compile", metavar="|".join(BACK_ENDS), help="What replays recorded steps; auto measures them."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print, at the end and to stderr, what became of each recorded step.")
    ] = False,
    nproc: Annotated[
        int | None,
        typer.Option("--nproc", metavar="N", min=1, help="Run it in N processes that train one model together."),
    ] = None,
):
    """Run a script that says `import keras` or `import mxnet` on Tandem, as `python SCRIPT ARGS` would.

    The names keras, tf_keras, tensorflow.keras and mxnet are Tandem's in this process and in its worker processes.
    Options of tandem stand before the script; what follows the script is the script's.
    """
    if device not in (None, "cpu"):
        raise typer.BadParameter(
            f"{device!r} is not a device to send requests to; the one there is: cpu", param_hint="--device"
        )
    if compile not in (None, *BACK_ENDS):
        raise typer.BadParameter(
            f"{compile!r} is nothing that replays steps; there are: {', '.join(BACK_ENDS)}", param_hint="--compile"
        )
    if script is None and module is None:
        raise typer.BadParameter("nothing to run: give a SCRIPT or -m MODULE")
    if nproc is not None and script == "-":
        raise typer.BadParameter(
            "standard input is there once, not for each of several processes", param_hint="--nproc"
        )
    # Run after the parser has returned, so that nothing of it is left around the script.
    options = {"device": device, "trust_cache": trust_cache, "compile": compile, "explain": explain}
    if nproc is not None:
        context.obj.append(lambda: launch_many(nproc, script, module, args or [], **options))
        return
    context.obj.append(lambda: launch(script, module, args or [], **options))


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
def im2rec(
    context: typer.Context, args: Annotated[list[str] | None, typer.Argument(metavar="OPTIONS PREFIX ROOT")] = None
):
    """Make lists of images, and MXNet's record files of them; `tandem im2rec --help` shows im2rec's options."""
    context.obj.append(lambda: make_records(args or []))


def main(arguments=None):
    """Run the command line `arguments` (sys.argv without the program's name), and exit."""
    actions = []
    hook = sys.excepthook
    try:
        app(args=arguments, prog_name="tandem", obj=actions)
    except SystemExit:
        if not actions:
            raise
    finally:
        sys.excepthook = hook
    for action in actions:
        action()

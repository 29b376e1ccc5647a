"""What typer cannot say of the arguments of `tandem run`, and what the commands start."""

import contextlib

from typer.core import TyperCommand

# As in `tandem.engine.backends`, which would import torch before there is something to run.
BACK_ENDS = ("library", "native", "cuda_graph", "inductor", "auto")


class RunCommand(TyperCommand):
    """A command whose `-m MODULE`, like a script's name, ends its own options."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, end_options_after_module(args))


def end_options_after_module(args):
    """Put "--" behind the module, so that the parser leaves what follows alone, and name it as the option does."""
    args = list(args)
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] not in ("-", "--"):
        if args[i] in ("--device", "--compile", "--nproc"):
            i += 2
        elif args[i] == "-m":
            return [*args[: i + 2], "--", *args[i + 2 :]] if i + 1 < len(args) else args
        elif args[i].startswith("-m"):
            return [*args[:i], "-m", args[i][2:], "--", *args[i + 1 :]]
        else:
            i += 1
    return args


def launch(script, module, args, *, device, trust_cache, compile, explain):
    """Install the hook, set what the options ask for, and run."""
    from tandem.compat import hook, processes
    from tandem.compat import launch as launcher

    processes.watch_launcher()
    hook.install()
    if device is not None:
        from tandem.core import devices

        devices.redirect(device)
    if trust_cache:
        from tandem.core import cache

        cache.trust(True)
    if compile is not None:
        from tandem.engine import backends

        backends.set_default(compile)
    with _explained() if explain else contextlib.nullcontext():
        if module is not None:
            # With -m the first word after it is the module's, not a script.
            launcher.run_module(module, [word for word in (script,) if word is not None] + args)
        else:
            launcher.run_script(script, args)


def launch_many(count, script, module, args, *, device, trust_cache, compile, explain):
    """Run the same in `count` processes, each a `tandem run` of its own; exits with their status."""
    from tandem.compat import processes

    words = []
    for option, value in (("--device", device), ("--compile", compile)):
        words += [] if value is None else [option, value]
    words += ["--trust-cache"] * bool(trust_cache) + ["--explain"] * bool(explain)
    words += ["-m", module] if module is not None else ["--"]
    # With -m the first word after it is the module's, not a script.
    raise SystemExit(processes.run(count, [*words, *(word for word in (script,) if word is not None), *args]))


def make_records(arguments):
    """`tandem im2rec`: MXNet's program of this name."""
    from tandem.mxnet.tools import im2rec

    im2rec.main(arguments, program="tandem im2rec")


@contextlib.contextmanager
def _explained():
    """Print what became of the steps, however the script ends."""
    from tandem.engine.explain import Watch

    with Watch() as watch:
        try:
            yield
        finally:
            for report in watch.reports():
                report.print()

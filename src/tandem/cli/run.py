"""`tandem run`: what typer cannot say of its arguments, and starting the script."""

from typer.core import TyperCommand


class RunCommand(TyperCommand):
    """A command whose `-m MODULE`, like a script's name, ends its own options."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, end_options_after_module(args))


def end_options_after_module(args):
    """Put "--" behind the module, so that the parser leaves what follows alone, and name it as the option does."""
    args = list(args)
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] not in ("-", "--"):
        if args[i] == "--device":
            i += 2
        elif args[i] == "-m":
            return [*args[: i + 2], "--", *args[i + 2 :]] if i + 1 < len(args) else args
        elif args[i].startswith("-m"):
            return [*args[:i], "-m", args[i][2:], "--", *args[i + 1 :]]
        else:
            i += 1
    return args


def launch(script, module, args, *, device, trust_cache):
    """Install the hook, set what the options ask for, and run."""
    from tandem.compat import hook
    from tandem.compat import launch as launcher

    hook.install()
    if device is not None:
        from tandem.core import devices

        devices.redirect(device)
    if trust_cache:
        from tandem.core import cache

        cache.trust(True)
    if module is not None:
        # With -m the first word after it is the module's, not a script.
        launcher.run_module(module, [word for word in (script,) if word is not None] + args)
    else:
        launcher.run_script(script, args)

"""The programs that come with MXNet: `python -m mxnet.tools.im2rec` under `tandem run`."""

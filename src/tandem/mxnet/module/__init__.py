"""`mx.mod`: symbols with parameters, an optimizer and a training loop."""

from tandem.mxnet.module.base_module import BaseModule
from tandem.mxnet.module.bucketing_module import BucketingModule
from tandem.mxnet.module.module import Module
from tandem.mxnet.module.python_module import PythonLossModule, PythonModule
from tandem.mxnet.module.sequential_module import SequentialModule

__all__ = ["BaseModule", "BucketingModule", "Module", "PythonLossModule", "PythonModule", "SequentialModule"]

"""Callbacks: what is called at the edges of training, epochs and batches."""

from tandem.keras.callbacks.callback import Callback, History, LambdaCallback, LearningRateScheduler, TerminateOnNaN
from tandem.keras.callbacks.callback_list import CallbackList
from tandem.keras.callbacks.files import CSVLogger, ModelCheckpoint
from tandem.keras.callbacks.monitor import EarlyStopping, MonitorCallback, ReduceLROnPlateau
from tandem.keras.callbacks.others import RemoteMonitor, SwapEMAWeights
from tandem.keras.callbacks.progbar_logger import ProgbarLogger
from tandem.keras.missing import absent

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]


def __getattr__(name):
    if name == "BackupAndRestore":  # h5py and what reads weight files are loaded where it is asked for
        from tandem.keras.callbacks.backup import BackupAndRestore

        return BackupAndRestore
    if name == "TensorBoard":  # so are TensorBoard's packages
        from tandem.keras.callbacks.tensorboard import TensorBoard

        return TensorBoard
    return absent("keras.callbacks", name, __all__)


def __dir__():
    return sorted(__all__)

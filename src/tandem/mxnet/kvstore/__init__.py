"""`mx.kvstore`: arrays by key, summed over devices and processes."""

from tandem.mxnet.kvstore.base import KVStoreBase
from tandem.mxnet.kvstore.kvstore import KVStore, create
from tandem.mxnet.kvstore.kvstore_server import KVStoreServer

__all__ = ["KVStore", "KVStoreBase", "KVStoreServer", "create"]

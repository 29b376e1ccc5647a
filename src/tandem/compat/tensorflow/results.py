"""The named tuples that functions give."""

from collections import namedtuple

Unique = namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = namedtuple("UniqueWithCounts", ["y", "idx", "count"])
CombinedNonMaxSuppression = namedtuple(
    "CombinedNonMaxSuppression", ["nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"]
)
TopK = namedtuple("TopKV2", ["values", "indices"])
Qr = namedtuple("Qr", ["q", "r"])
LogicalDevice = namedtuple("LogicalDevice", ["name", "device_type"])
PhysicalDevice = namedtuple("PhysicalDevice", ["name", "device_type"])
LocalDevice = namedtuple("LocalDevice", ["name", "device_type", "memory_limit"])

"""Many steps in one call: a loop in machine code around a step that is machine code as a whole.

Each round gathers a batch's rows into the step's input buffers and runs the step.
"""

import ctypes
import functools

from tandem.engine.native import llvm

_TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @steps(ptr %feeds, i64 %inputs, ptr %order, i64 %first, i64 %batch, i64 %steps, ptr %step, ptr %table) {
entry:
  %shuffled = icmp ne ptr %order, null
  br label %round
round:
  %done = phi i64 [ 0, %entry ], [ %done.next, %run ]
  %passed = mul i64 %done, %batch
  %begin = add i64 %first, %passed
  br label %input
input:
  %number = phi i64 [ 0, %round ], [ %number.next, %gathered ]
  %feed = getelementptr { ptr, ptr, i64 }, ptr %feeds, i64 %number
  %source = load ptr, ptr %feed
  %into.at = getelementptr { ptr, ptr, i64 }, ptr %feed, i64 0, i32 1
  %into = load ptr, ptr %into.at
  %size.at = getelementptr { ptr, ptr, i64 }, ptr %feed, i64 0, i32 2
  %size = load i64, ptr %size.at
  br i1 %shuffled, label %row, label %whole
whole:
  %skipped = mul i64 %begin, %size
  %start = getelementptr i8, ptr %source, i64 %skipped
  %length = mul i64 %batch, %size
  call void @llvm.memcpy.p0.p0.i64(ptr %into, ptr %start, i64 %length, i1 false)
  br label %gathered
row:
  %index = phi i64 [ 0, %input ], [ %index.next, %row ]
  %place = add i64 %begin, %index
  %chosen.at = getelementptr i64, ptr %order, i64 %place
  %chosen = load i64, ptr %chosen.at
  %from.offset = mul i64 %chosen, %size
  %from = getelementptr i8, ptr %source, i64 %from.offset
  %to.offset = mul i64 %index, %size
  %to = getelementptr i8, ptr %into, i64 %to.offset
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  %index.next = add i64 %index, 1
  %more.rows = icmp slt i64 %index.next, %batch
  br i1 %more.rows, label %row, label %gathered
gathered:
  %number.next = add i64 %number, 1
  %more.inputs = icmp slt i64 %number.next, %inputs
  br i1 %more.inputs, label %input, label %run
run:
  call void %step(ptr %table)
  %done.next = add i64 %done, 1
  %more.steps = icmp slt i64 %done.next, %steps
  br i1 %more.steps, label %round, label %exit
exit:
  ret void
}
"""


class _Feed(ctypes.Structure):
    _fields_ = [("source", ctypes.c_void_p), ("into", ctypes.c_void_p), ("row", ctypes.c_int64)]


@functools.cache
def _steps():
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.CFUNCTYPE(None, pointer, number, pointer, number, number, number, pointer, pointer)
    return kind(llvm.compile_text(_TEXT, "steps"))


class Loop:
    """The loop of one program over one feed.

    feed: an `engine.feeding.ArrayFeed`; buffers: the program's inputs in the order of the feed's arrays; whole: the
    program's `whole`.
    """

    def __init__(self, feed, buffers, whole):
        self.feed, self.buffers, self.whole = feed, buffers, whole
        self._feeds = (_Feed * len(buffers))(
            *(
                _Feed(array.data_ptr(), buffer.data_ptr(), buffer[0].nbytes)
                for array, buffer in zip(feed.arrays, buffers)
            )
        )

    @staticmethod
    def fits(feed, buffers):
        """Whether a batch is the feed's rows as they lie in memory."""
        return len(buffers) > 0 and all(
            array.is_contiguous()
            and buffer.is_contiguous()
            and array.device.type == buffer.device.type == "cpu"
            and array.dtype is buffer.dtype
            and array.shape[1:] == buffer.shape[1:]
            for array, buffer in zip(feed.arrays, buffers)
        )

    def run(self, steps):
        """Run so many steps on the feed's next full batches."""
        feed, (function, table) = self.feed, self.whole
        order = None if feed.order is None else feed.order.data_ptr()
        _steps()(self._feeds, len(self.buffers), order, feed.at, feed.batch_size, steps, function, table)
        feed.at += steps * feed.batch_size

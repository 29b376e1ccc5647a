"""`ImageDetIter`: batches of images with boxes."""

import logging

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.image.augment import _MEAN, _STD
from tandem.mxnet.image.det_augment import CreateDetAugmenter, _three
from tandem.mxnet.image.iterator import ImageIter
from tandem.mxnet.ndarray.ndarray import NDArray


class ImageDetIter(ImageIter):
    """Batches of images with boxes: images (N, 3, height, width) and labels (N, objects, width of an object's row).

    A label as it is read is one row of numbers: how many of them come first (2 or more), how many numbers an object
    has (5 or more: class, left, top, right, bottom, …), the rest of those first ones, then the objects. `label_shape`
    is found by reading all labels once; rows beyond an image's objects are -1. An image without a box of positive
    size is left out.
    The arguments are as `ImageIter` takes them; kwargs: as `CreateDetAugmenter` takes them.
    """

    def __init__(
        self,
        batch_size,
        data_shape,
        path_imgrec=None,
        path_imglist=None,
        path_root=None,
        path_imgidx=None,
        shuffle=False,
        part_index=0,
        num_parts=1,
        aug_list=None,
        imglist=None,
        data_name="data",
        label_name="label",
        last_batch_handle="pad",
        **kwargs,
    ):
        super().__init__(
            batch_size,
            data_shape,
            path_imgrec=path_imgrec,
            path_imglist=path_imglist,
            path_root=path_root,
            path_imgidx=path_imgidx,
            shuffle=shuffle,
            part_index=part_index,
            num_parts=num_parts,
            aug_list=[],
            imglist=imglist,
            data_name=data_name,
            label_name=label_name,
            last_batch_handle=last_batch_handle,
        )
        self.auglist = CreateDetAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.label_shape = self._estimate_label_shape()
        self._provide(label_shape=self.label_shape)

    def _provide(self, data_shape=None, label_shape=None):
        if data_shape is not None:
            self.provide_data = [(self.provide_data[0][0], (self.batch_size, *data_shape))]
            self.data_shape = tuple(data_shape)
        if label_shape is not None:
            self.provide_label = [(self.provide_label[0][0], (self.batch_size, *label_shape))]
            self.label_shape = tuple(label_shape)

    # --- labels ------------------------------------------------------------------------------------------------------

    def _parse_label(self, label):
        """The objects with boxes of positive size in a label as it is read, a row to each.

        Raises RuntimeError for a label that is none or has no such object.
        """
        raw = (label.asnumpy() if isinstance(label, NDArray) else np.asarray(label)).ravel()
        if raw.size < 7:
            raise RuntimeError(explain("Label shape is invalid", expected="7 numbers or more", given=raw.shape))
        first, width = int(raw[0]), int(raw[1])
        if (raw.size - first) % width:
            raise RuntimeError(
                explain(
                    f"Label shape {raw.shape} inconsistent with annotation width {width}",
                    expected=f"{first} numbers, then a multiple of {width}",
                )
            )
        objects = raw[first:].reshape(-1, width)
        valid = (objects[:, 3] > objects[:, 1]) & (objects[:, 4] > objects[:, 2])
        if not valid.any():
            raise RuntimeError(explain("Encounter sample with no valid label", given=raw))
        return objects[valid]

    def _check_valid_label(self, label):
        """That a label has an object of a class.

        Raises RuntimeError where it has none.
        """
        if label.ndim != 2 or label.shape[1] < 5:
            raise RuntimeError(
                explain("A label has another shape", expected="(objects, 5 or more numbers)", given=label.shape)
            )
        if not ((label[:, 0] >= 0) & (label[:, 3] > label[:, 1])).any():
            raise RuntimeError(explain("Invalid label occurs", expected="a class and a box", given=label))

    def _estimate_label_shape(self):
        """(most objects of an image, numbers to an object), by reading all labels."""
        most, width = 0, 0
        self.reset()
        try:
            while True:
                label = self._parse_label(self.next_sample()[0])
                most, width = max(most, label.shape[0]), label.shape[1]
        except StopIteration:
            self.reset()
        return most, width

    def check_label_shape(self, label_shape):
        """That a shape of labels can hold them.

        Raises ValueError for fewer objects than there are or another width.
        """
        if len(label_shape) != 2:
            raise ValueError(explain("label_shape should have length 2", given=label_shape))
        if label_shape[0] < self.label_shape[0]:
            raise ValueError(
                explain(
                    "Attempts to reduce the label count, not allowed",
                    expected=f"{self.label_shape[0]} or more",
                    given=label_shape[0],
                )
            )
        if label_shape[1] != self.provide_label[0][1][2]:
            raise ValueError(
                explain(
                    "label_shape object width inconsistent",
                    expected=self.provide_label[0][1][2],
                    given=label_shape[1],
                )
            )

    def reshape(self, data_shape=None, label_shape=None):
        """Change the shape of the images or of the labels.

        Raises ValueError for one that cannot be.
        """
        if data_shape is not None:
            self.check_data_shape(data_shape)
        if label_shape is not None:
            self.check_label_shape(label_shape)
        self._provide(data_shape, label_shape)

    def sync_label_shape(self, it, verbose=False):
        """Give this iterator and another one the same shape of labels; answers the other one.

        verbose: whether a change is logged.
        Raises AssertionError for what is no such iterator or has objects of another width.
        """
        if not isinstance(it, ImageDetIter):
            raise AssertionError(
                explain("Synchronize with invalid iterator", expected="ImageDetIter", given=type(it).__name__)
            )
        mine, theirs = self.label_shape, it.label_shape
        if mine[1] != theirs[1]:
            raise AssertionError(explain("object width mismatch", given=f"{mine[1]} and {theirs[1]}"))
        most = max(mine[0], theirs[0])
        for one, shape in ((self, mine), (it, theirs)):
            if most > shape[0]:
                one.reshape(None, (most, shape[1]))
        if verbose and most > min(mine[0], theirs[0]):
            logging.info("Resized label_shape to (%d, %d).", most, mine[1])
        return it

    # --- samples -----------------------------------------------------------------------------------------------------

    def augmentation_transform(self, data, label):
        """An image and its objects after all augmenters."""
        for augmenter in self.auglist:
            data, label = augmenter(data, label)
        return data, label

    def _augmented(self, label, content):
        """An augmented image and its objects; None for one that is left out."""
        data = self.imdecode(content)
        try:
            self.check_valid_image([data])
            data, label = self.augmentation_transform(data, self._parse_label(label))
            self._check_valid_label(label)
        except RuntimeError as error:
            logging.debug("Invalid image, skipping: %s", error)
            return None
        return data, label

    def _sample(self, label, content):
        augmented = self._augmented(label, content)
        return augmented and (self._pixels(augmented[0]), augmented[1])

    def _labels(self, labels):
        rows = np.full((self.batch_size, *self.label_shape), -1, np.float32)
        for row, label in zip(rows, labels):
            row[: len(label)] = label
        return self._as_array(rows)

    def draw_next(
        self,
        color=None,
        thickness=2,
        mean=None,
        std=None,
        clip=True,
        waitKey=None,
        window_name="draw_next",
        id2labels=None,
    ):
        """Images with their boxes drawn on them, one after the other: numpy arrays (height, width, 3).

        color: red, green and blue of the boxes, drawn by `numpy.random` for each where None; thickness: of their lines;
        mean, std: what was subtracted and divided by, True for ImageNet's; clip: whether colours are kept within 0 to
        255; waitKey: milliseconds for which a window shows each, none where None; window_name: its title; id2labels:
        names of classes, a dict, written beside the boxes.
        Raises ImportError without OpenCV, AssertionError for a mean or deviation that is no array of colours.
        """
        try:
            import cv2
        except ImportError as error:
            raise ImportError(
                explain("draw_next() draws with OpenCV, which is not installed", hint="pip install tandem[image]")
            ) from error
        mean, std = _three(mean, _MEAN, "mean"), _three(std, _STD, "std")
        try:
            while True:
                augmented = self._augmented(*self.next_sample())
                if augmented is None:
                    continue
                data, label = augmented
                picture = data.asnumpy()
                picture = picture if std is None else picture * std
                picture = picture if mean is None else picture + mean
                # OpenCV's order of colours, here and in its windows.
                picture = np.ascontiguousarray(picture[:, :, (2, 1, 0)])
                if clip:
                    picture = np.clip(picture, 0, 255)
                picture = picture.astype(np.uint8)
                _draw(cv2, picture, label, color, thickness, id2labels)
                if waitKey is not None:
                    cv2.imshow(window_name, picture)
                    cv2.waitKey(waitKey)
                yield picture
        except StopIteration:
            return


def _draw(cv2, picture, label, color, thickness, id2labels):
    height, width = picture.shape[:2]
    for number, *box in label[:, :5]:
        left, top, right, bottom = (int(float(part) * size) for part, size in zip(box, (width, height) * 2))
        colour = np.random.rand(3) * 255 if color is None else color[::-1]
        cv2.rectangle(picture, (left, top), (right, bottom), tuple(map(float, colour)), thickness)
        if id2labels is not None and int(number) in id2labels:
            font, scale, name = cv2.FONT_HERSHEY_SIMPLEX, 0.5, id2labels[int(number)]
            (_, letters), _ = cv2.getTextSize(name, font, scale, 2)
            cv2.putText(picture, name, (left + 5, top + letters + 5), font, scale, (255, 255, 255), 2)

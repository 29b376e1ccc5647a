"""`keras.visualization`: drawings against real ones, galleries by their content, curves against scikit-learn."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn import metrics

mpl.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

from oracles import real_keras
from tandem import keras
from tandem.ops import drawing

visual = keras.visualization
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (3, 24, 32, 3)).astype("uint8")
BOXES = {
    "boxes": np.array([[[2, 3, 20, 20], [10, 12, 30, 22]]] * 3, "float32"),
    "labels": np.array([[0, 1], [0, -1], [1, 5]]),
}
MASKS = RANDOM.randint(-1, 3, (3, 24, 32, 1))


@pytest.fixture(autouse=True)
def _figures():
    yield
    plt.close("all")


@pytest.mark.oracle
@pytest.mark.parametrize("scale", [None, 1, 1 / 255])
@pytest.mark.parametrize(
    "options",
    [
        {"color": (255, 0, 0), "line_thickness": 1},
        {"class_mapping": {0: "a", 1: "b"}, "font_scale": 0.3},
        {"class_mapping": {1: "b"}, "text_thickness": None, "confidences": True},
    ],
)
def test_boxes(scale, options):
    pytest.importorskip("cv2")
    images = IMAGES if scale is None else (IMAGES * np.float32(scale)).astype("float32")
    options = dict(options)
    boxes = {**BOXES, "confidences": np.full((3, 2), 0.75)} if options.pop("confidences", False) else BOXES
    ours, real = (
        one.visualization.draw_bounding_boxes(images, boxes, "xyxy", **options) for one in (keras, real_keras())
    )
    assert ours.dtype == np.uint8 and not np.array_equal(ours, IMAGES)
    np.testing.assert_array_equal(ours, real)


def test_boxes_with_the_channels_first():
    pytest.importorskip("cv2")
    relative = {**BOXES, "boxes": BOXES["boxes"] / [32, 24, 32, 24]}
    np.testing.assert_array_equal(
        visual.draw_bounding_boxes(IMAGES.transpose(0, 3, 1, 2), relative, "rel_xyxy", data_format="channels_first"),
        visual.draw_bounding_boxes(IMAGES, BOXES, "xyxy"),
    )


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha": 0.3},
        {"color_mapping": {0: (1, 2, 3), 1: (200, 0, 0), 2: (0, 200, 0)}},
        {"ignore_index": 1},
    ],
)
def test_masks(options):
    ours, real = (
        one.visualization.draw_segmentation_masks(IMAGES, MASKS, num_classes=3, **options)
        for one in (keras, real_keras())
    )
    assert ours.dtype == real.dtype
    # A shade more or less is the rounding of the mixture.
    assert np.abs(ours.astype(int) - real).max() <= 1


def test_masks_without_mixing_and_without_a_number_of_classes():
    colours = {0: (9, 9, 9), 1: (200, 0, 0), 2: (0, 200, 0)}
    found = visual.draw_segmentation_masks(IMAGES, MASKS, color_mapping=colours, blend=False)
    for number, colour in colours.items():
        np.testing.assert_array_equal(
            found[MASKS[..., 0] == number], np.broadcast_to(colour, ((number == MASKS).sum(), 3))
        )
    np.testing.assert_array_equal(found[MASKS[..., 0] == -1], IMAGES[MASKS[..., 0] == -1])


@pytest.fixture
def shown(monkeypatch):
    """What the figures that are shown hold: for each the pictures and titles, and the legend's texts."""
    kept = []

    def look():
        figure = plt.gcf()
        pictures = [(ax.images[0].get_array(), ax.get_title()) for ax in figure.axes if ax.images]
        legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        kept.append((len(figure.axes), pictures, legends))

    monkeypatch.setattr(plt, "show", look)
    return kept


def test_a_gallery_shows_every_image(shown):
    labels = {0: "cat", 1: "dog"}
    visual.plot_image_gallery(IMAGES / 255, [0, 1, 1], np.array([0, 0, 7]), labels, value_range=(0, 1))
    ((places, pictures, _),) = shown
    assert places == 4
    assert [title for _, title in pictures] == [
        "Label: cat  Pred: cat",
        "Label: dog  Pred: cat",
        "Label: dog  Pred: Unknown",
    ]
    for (picture, _), image in zip(pictures, IMAGES, strict=True):
        assert np.abs(np.asarray(picture).astype(int) - image).max() <= 1
    assert plt.get_fignums() == []


def test_other_layouts_and_grey_images(shown):
    visual.plot_image_gallery(IMAGES[..., :1].transpose(0, 3, 1, 2), rows=1, cols=2, data_format="channels_first")
    ((places, pictures, _),) = shown
    assert places == len(pictures) == 2
    np.testing.assert_array_equal(pictures[1][0], IMAGES[1, ..., 0])


def test_a_gallery_in_a_file(tmp_path, shown):
    visual.plot_image_gallery(IMAGES, path=tmp_path / "gallery.png", scale=1, dpi=50)
    with Image.open(tmp_path / "gallery.png") as picture:
        assert min(picture.size) > 60
    assert shown == []


def test_a_gallery_of_boxes(shown):
    pytest.importorskip("cv2")
    visual.plot_bounding_box_gallery(IMAGES, "xyxy", BOXES, BOXES, class_mapping={0: "a"}, legend=True, cols=3, rows=1)
    ((_, pictures, legend),) = shown
    assert legend == ["Ground Truth", "Prediction"]
    drawn = visual.draw_bounding_boxes(
        visual.draw_bounding_boxes(IMAGES, BOXES, "xyxy", {0: "a"}, (0, 188, 212), text_thickness=None),
        BOXES, "xyxy", {0: "a"}, (255, 235, 59), text_thickness=None,
    )  # fmt: skip
    np.testing.assert_array_equal(pictures[2][0], drawn[2])


def test_a_gallery_of_masks(shown):
    visual.plot_segmentation_mask_gallery(IMAGES / 255, 3, (0, 1), y_true=MASKS, y_pred=MASKS[::-1])
    ((places, pictures, _),) = shown
    assert places == 9
    wanted = visual.draw_segmentation_masks(IMAGES, MASKS, 3)
    assert np.abs(np.asarray(pictures[4][0]).astype(int) - wanted[1]).max() <= 1
    assert np.abs(np.asarray(pictures[3][0]).astype(int) - IMAGES[1]).max() <= 1


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda: visual.plot_image_gallery(IMAGES[0]), ValueError),
        (lambda: visual.plot_image_gallery(IMAGES, y_true=[0, 1, 2]), ValueError),
        (lambda: visual.plot_image_gallery(IMAGES, path="a.png", show=True), ValueError),
        (lambda: visual.draw_bounding_boxes(IMAGES, [[1, 2, 3, 4]], "xyxy"), TypeError),
        (lambda: visual.draw_bounding_boxes(IMAGES, {"boxes": BOXES["boxes"]}, "xyxy"), ValueError),
        (lambda: visual.draw_segmentation_masks(IMAGES, MASKS.astype("float32")), TypeError),
        (lambda: visual.draw_segmentation_masks(IMAGES, MASKS, data_format="channels"), ValueError),
        (lambda: visual.plot_bounding_box_gallery(IMAGES, "xyxy", legend=True, legend_handles=[1]), ValueError),
    ],
)
def test_errors(act, error):
    with pytest.raises(error):
        act()


# --- Tandem's own ----------------------------------------------------------------------------------------------------


def test_history():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = RANDOM.rand(8, 2)
    history = model.fit(x, x.sum(1), epochs=4, validation_split=0.5, validation_freq=2, verbose=0)
    axes = history.plot()
    assert [ax.get_title() for ax in axes] == [n for n in history.history if not n.startswith("val_")]
    training, validation = next(ax for ax in axes if ax.get_title() == "loss").lines
    np.testing.assert_allclose(training.get_xydata(), np.stack([range(1, 5), history.history["loss"]], 1))
    np.testing.assert_allclose(validation.get_xydata(), np.stack([[2, 4], history.history["val_loss"]], 1))
    (ax,) = history.plot(["mae"])
    assert ax.get_ylabel() == "mae"
    with pytest.raises(ValueError, match="mea"):
        history.plot(["mea"])


def test_curves_are_scikit_learn_s():
    y = RANDOM.randint(0, 2, 60)
    score = np.round(y * 0.4 + RANDOM.rand(60), 1)  # with ties
    x, rate, _ = metrics.roc_curve(y, score, drop_intermediate=False)
    (curve,) = [line for line in visual.plot_roc_curve(y, score).lines if line.get_label().startswith("area")]
    np.testing.assert_allclose(curve.get_xydata(), np.stack([x, rate], 1))
    assert curve.get_label() == f"area {metrics.roc_auc_score(y, score):.3f}"
    precision, recall, thresholds = metrics.precision_recall_curve(y, score)
    ours = drawing.precision_recall(*(keras.ops.convert_to_tensor(value) for value in (y, score)))
    for wanted, found in zip((precision, recall), ours):
        np.testing.assert_allclose(found.flip(0), wanted)
    np.testing.assert_allclose(ours[2].flip(0), thresholds)
    (curve,) = visual.plot_precision_recall_curve(y[:, None], score[:, None]).lines
    assert curve.get_label() == f"average precision {metrics.average_precision_score(y, score):.3f}"
    scores = RANDOM.rand(60, 3)
    classes = RANDOM.randint(0, 3, 60)
    labels = [line.get_label() for line in visual.plot_roc_curve(classes, scores, labels=["a", "b", "c"]).lines[1:]]
    assert labels == [f"{n}, area {metrics.roc_auc_score(classes == i, scores[:, i]):.3f}" for i, n in enumerate("abc")]


@pytest.mark.parametrize("normalize", [False, True])
def test_a_confusion_matrix(normalize):
    true, predicted = RANDOM.randint(0, 3, 50), RANDOM.rand(50, 3)
    ax = visual.plot_confusion_matrix(np.eye(3)[true], predicted, labels=["a", "b", "c"], normalize=normalize)
    wanted = metrics.confusion_matrix(true, predicted.argmax(1), normalize="true" if normalize else None)
    np.testing.assert_allclose(ax.images[0].get_array(), wanted, rtol=1e-6)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.texts[5].get_text() == (f"{wanted[1, 2]:.2f}" if normalize else str(wanted[1, 2]))

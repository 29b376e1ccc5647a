"""What decides one box after the other, against the plain loop; both ways of computing it; empty inputs."""

import pytest
import torch

from tandem.ops import anchors, boxes


def random_boxes(generator, *shape):
    """Boxes at tenths, so that some overlaps are equal to a threshold and some boxes to each other."""
    low = torch.randint(0, 10, (*shape, 2), generator=generator)
    return torch.cat([low, low + torch.randint(1, 9, (*shape, 2), generator=generator)], -1) / 10


def overlap(a, b, extra):
    sides = [max(0.0, float(min(a[i + 2], b[i + 2]) - max(a[i], b[i])) + extra) for i in (0, 1)]
    shared = sides[0] * sides[1]
    areas = [float((box[2] - box[0] + extra) * (box[3] - box[1] + extra)) for box in (a, b)]
    return shared / (sum(areas) - shared)


def by_hand(rows, alive, groups, threshold, inclusive, extra):
    keep = []
    for i in range(len(rows)):
        if not alive[i]:
            continue
        for j in keep:
            ratio = overlap(rows[j], rows[i], extra)
            same = groups is None or groups[i] == groups[j]
            if same and (ratio >= threshold if inclusive else ratio > threshold):
                break
        else:
            keep.append(i)
    return [i in keep for i in range(len(rows))]


@pytest.mark.parametrize("extra", [0.0, 1.0])
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_suppression_is_the_plain_loop_on_every_device(grouped, inclusive, extra):
    generator = torch.Generator().manual_seed(7)
    found = random_boxes(generator, 2, 40).double()
    alive = torch.rand(2, 40, generator=generator) < 0.8
    groups = torch.randint(0, 2, (2, 40), generator=generator).double() if grouped else None
    sides = found[..., 2:] - found[..., :2] + extra
    areas = sides[..., 0] * sides[..., 1]
    threshold = 0.3 + 1e-9  # no overlap of such boxes lies within rounding of it
    keep = boxes.suppress(found, alive, threshold, areas=areas, groups=groups, inclusive=inclusive, extra=extra)
    anywhere = boxes._suppress_anywhere(found, areas, groups, alive, threshold, inclusive, extra)
    for sample in range(2):
        group = None if groups is None else groups[sample]
        wanted = by_hand(found[sample], alive[sample], group, threshold, inclusive, extra)
        assert keep[sample].tolist() == wanted
        assert anywhere[sample].tolist() == wanted


def test_suppression_of_more_boxes_than_are_compared_at_a_time(monkeypatch):
    generator = torch.Generator().manual_seed(3)
    found = random_boxes(generator, 1, 300)
    alive = torch.ones(1, 300, dtype=torch.bool)
    whole = boxes.suppress(found, alive, 0.4)
    assert 5 < int(whole.sum()) < 200
    monkeypatch.setattr(boxes, "_BLOCK", 7)
    assert torch.equal(boxes.suppress(found, alive, 0.4), whole)
    assert torch.equal(boxes._suppress_anywhere(found, boxes.area(found), None, alive, 0.4, False, 0.0), whole)


@pytest.mark.parametrize(("rows", "columns"), [(6, 4), (3, 7), (5, 5), (1, 1)])
def test_matching_takes_the_best_pair_first(rows, columns):
    generator = torch.Generator().manual_seed(rows)
    scores = torch.randint(0, 6, (3, columns, rows), generator=generator).float()
    scores[scores == 0] = -torch.inf
    found = boxes.match(scores)
    for sample in range(3):
        pairs = sorted((-float(scores[sample, c, r]), r, c) for c in range(columns) for r in range(rows))
        wanted, taken = [-1] * columns, set()
        for value, row, column in pairs:
            if value < torch.inf and row not in taken and wanted[column] < 0:
                wanted[column] = row
                taken.add(row)
        assert found[sample].tolist() == wanted


@pytest.mark.parametrize("most", [None, 2])
def test_nothing_to_match(most):
    for shape in ((2, 0, 3), (2, 3, 0), (0, 2, 2)):
        columns, rows = boxes.bipartite(torch.zeros(shape), 0.1, most=most)
        assert columns.shape == shape[:2]
        assert rows.shape == (shape[0], shape[2])
        assert (torch.cat([columns.flatten(), rows.flatten()]) == -1).all()


def test_no_boxes():
    assert boxes.suppressed(torch.zeros(2, 0, 6)).shape == (2, 0, 6)
    assert boxes.iou(torch.zeros(0, 4), torch.zeros(3, 4)).shape == (0, 3)
    empty = torch.zeros(2, 0, 5)
    offsets, mask, classes = anchors.training_targets(torch.rand(4, 4), empty, torch.zeros(2, 3, 4), ignore=7.0)
    assert not offsets.any()
    assert not mask.any()
    assert (classes == 7).all()


def test_without_gradient_gives_zeros():
    x = torch.rand(3, 4, requires_grad=True)
    boxes.without_gradient(boxes.iou, x, x).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()

"""Labels from the scores of connectionist temporal classification: the best path, and prefix beam search."""

import math

import torch


def greedy(logits, lengths, *, merge_repeated=True, blank=0):
    """(labels (1, batch, time), -1 behind their end; scores (batch, 1)): each step's best class, without blanks.

    logits: (batch, time, classes); lengths: (batch,); merge_repeated: neighbours of one class count once. The score is
    the negative sum of the best logits.
    """
    batch, steps, classes = logits.shape
    blank %= classes
    best, labels = logits.max(-1)
    place = torch.arange(steps, device=logits.device)
    inside = place < lengths.to(logits.device).unsqueeze(1)
    labels = torch.where(inside, labels, blank)
    scores = -torch.where(inside, best, 0).sum(1, keepdim=True)
    kept = labels != blank
    if merge_repeated:
        before = torch.nn.functional.pad(labels[:, :-1], (1, 0), value=-1)
        kept = kept & (labels != before)
    # What is kept moves to the front in its order: to the place that counts the kept ones before it.
    target = torch.where(kept, kept.cumsum(1) - 1, steps)
    found = torch.full((batch, steps + 1), -1, dtype=torch.int32, device=logits.device)
    found = found.scatter(1, target, labels.to(torch.int32))[:, :steps]
    return found.unsqueeze(0), scores


def beam_search(logits, lengths, *, beams=100, paths=1, blank=0):
    """(the `paths` likeliest labelings (paths, batch, time), -1 behind their end; their log-probabilities).

    Prefix beam search (Graves and Jaitly, 2014): each step keeps the `beams` likeliest prefixes, of each the
    probabilities of ending in a blank and in its last label. It reads the scores: it runs on the CPU.
    """
    logits = torch.log_softmax(logits.detach().to("cpu", torch.float64), -1)
    blank %= logits.shape[-1]
    samples, scores = [], []
    for rows, length in zip(logits, lengths.tolist()):
        prefixes = _beams(rows[: int(length)].tolist(), beams, blank)
        prefixes += [((), -torch.inf)] * (paths - len(prefixes))
        samples.append([list(prefix) for prefix, _ in prefixes[:paths]])
        scores.append([score for _, score in prefixes[:paths]])
    steps = logits.shape[1]
    filled = [[prefix + [-1] * (steps - len(prefix)) for prefix in sample] for sample in samples]
    found = torch.tensor(filled, dtype=torch.int32).reshape(len(filled), paths, steps)
    return found.movedim(0, 1).contiguous(), torch.tensor(scores, dtype=torch.float32).reshape(len(filled), paths)


def _beams(rows, beams, blank):
    """The likeliest prefixes with their log-probabilities, the best first."""

    def add(a, b):
        if a < b:
            a, b = b, a
        return a if b == -math.inf else a + math.log1p(math.exp(b - a))

    lowest = -math.inf
    kept = {(): (0.0, lowest)}  # prefix -> log-probabilities of ending in a blank, in a label
    for row in rows:
        found = {}
        for prefix, (in_blank, in_label) in kept.items():
            both = add(in_blank, in_label)
            old = found.get(prefix, (lowest, lowest))
            same = add(old[1], in_label + row[prefix[-1]]) if prefix else old[1]
            found[prefix] = (add(old[0], both + row[blank]), same)
            for label, score in enumerate(row):
                if label == blank:
                    continue
                longer = (*prefix, label)
                source = in_blank if prefix and label == prefix[-1] else both
                old = found.get(longer, (lowest, lowest))
                found[longer] = (old[0], add(old[1], source + score))
        best = sorted(found.items(), key=lambda item: -add(*item[1]))[:beams]
        kept = dict(best)
    return [(prefix, add(*both)) for prefix, both in kept.items()]

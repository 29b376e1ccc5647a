"""Marked self-exciting Hawkes processes: events of K kinds, each of which makes more of its kind likely for a while."""

import torch

__all__ = ["log_likelihood"]


def log_likelihood(base, alpha, beta, state, lags, marks, valid_length, max_time):
    """Log-likelihood of sequences of events, and the state at the end: (batch,) and (batch, K).

    The intensity of kind k at time t is ``base_k + alpha_k beta_k sum(exp(-beta_k (t - t_i)))`` over its events before.
    base: (batch, K); alpha, beta: (K,); state: (batch, K), the sum at time 0; lags: (batch, T), times since the event
    before; marks: (batch, T), the kinds; valid_length: (batch,), how many events count; max_time: (batch,), the time
    at the end. Laub, Taimre and Pollett, 2015 (arXiv 1507.02822).
    """
    kinds = torch.arange(base.shape[1], device=base.device)
    valid = torch.arange(lags.shape[1], device=base.device) < valid_length.unsqueeze(1)
    now = torch.zeros_like(max_time)
    last = torch.zeros_like(state)
    total = torch.zeros_like(max_time)
    for step in range(lags.shape[1]):
        counts = valid[:, step]
        now = torch.where(counts, now + lags[:, step], now)
        passed = now.unsqueeze(1) - last
        decay = torch.exp(-beta * passed)
        intensity = base + alpha * beta * state * decay
        compensator = base * passed + alpha * state * (1 - decay)
        hit = (marks[:, step : step + 1] == kinds) & counts.unsqueeze(1)
        gain = torch.where(hit, torch.log(torch.where(hit, intensity, 1.0)) - compensator, 0.0)
        total = total + gain.sum(1)
        state = torch.where(hit, 1 + state * decay, state)
        last = torch.where(hit, now.unsqueeze(1), last)
    passed = max_time.unsqueeze(1) - last
    decay = torch.exp(-beta * passed)
    return total - (base * passed + alpha * state * (1 - decay)).sum(1), state * decay

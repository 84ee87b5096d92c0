"""Muon, against the properties that its paper states, and its run against being stopped."""

import copy

import torch
from torch import nn

from stylegan.training.muon import Muon, is_matrix, orthogonal


def test_orthogonal_evens_out_singular_values_and_keeps_directions() -> None:
    torch.manual_seed(0)
    for shape in ((24, 24), (16, 40), (40, 16)):
        # Singular values from 1 to 100.
        u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
        spread = torch.logspace(0, 2, len(vh))
        values = torch.linalg.svdvals(orthogonal(u * spread @ vh))
        assert values.min() > 0.3
        assert values.max() < 1.3
        # U' O V is diagonal and positive: no direction is turned.
        inside = u.t() @ orthogonal(u * spread @ vh) @ vh.t()
        assert torch.allclose(inside, inside.diag().diag(), atol=1e-4)


def test_an_update_has_the_size_of_the_learning_rate() -> None:
    torch.manual_seed(0)
    convolution = nn.Parameter(torch.zeros(32, 16, 3, 3))
    colours = nn.Parameter(torch.zeros(3, 16, 1, 1))
    assert [is_matrix(t) for t in (convolution, colours, torch.zeros(16, 4, 4))] == [True, False, False]
    optimizer = Muon([convolution, colours], lr=0.01)
    for parameter in (convolution, colours):
        parameter.grad = 1e3 * torch.randn_like(parameter)
    optimizer.step()
    # Of an orthogonal matrix (32, 144) the mean square is 1/144.
    assert 0.7 < convolution.detach().square().mean().sqrt() / (0.01 * 0.2) < 1.3
    assert torch.allclose(colours.detach().abs(), torch.tensor(0.01), rtol=1e-4)


def test_adam_s_part_is_that_of_torch() -> None:
    torch.manual_seed(0)
    mine, theirs = nn.Parameter(torch.randn(5)), nn.Parameter(torch.empty(5))
    theirs.data.copy_(mine.data)
    a, b = Muon([mine], lr=0.02), torch.optim.Adam([theirs], lr=0.02, betas=(0.9, 0.99))
    for _ in range(20):
        mine.grad = torch.randn(5)
        theirs.grad = mine.grad.clone()
        a.step()
        b.step()
    assert torch.allclose(mine, theirs, atol=1e-6)


def test_what_is_ill_conditioned_is_learnt_and_a_saved_state_goes_on_alike() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(512, 8) * torch.logspace(0, -2, 8)
    target = inputs @ torch.randn(8, 8)
    weight = nn.Parameter(torch.zeros(8, 8))
    optimizer = Muon([weight], lr=0.05)

    def step(w: nn.Parameter, o: torch.optim.Optimizer) -> float:
        loss = (inputs @ w - target).square().mean()
        o.zero_grad()
        loss.backward()
        o.step()
        return loss.item()

    before = step(weight, optimizer)
    for _ in range(200):
        step(weight, optimizer)
    again = nn.Parameter(weight.detach().clone())
    resumed = Muon([again], lr=0.05)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    after = [(step(weight, optimizer), step(again, resumed)) for _ in range(10)]
    assert all(a == b for a, b in after)
    assert torch.equal(weight, again)
    assert after[-1][0] < 0.02 * before

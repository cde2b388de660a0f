"""The chunked loss is the loss: values and gradients equal those of cross_entropy over all logits at once."""

import pytest

torch = pytest.importorskip("torch")

from parrotlet.networks import loss  # noqa: E402


@pytest.mark.parametrize("size", [7, 700])
@pytest.mark.parametrize("at_once", [1 << 21, 700 * 70])
def test_it_equals_cross_entropy_over_all_logits(monkeypatch, size, at_once):
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", at_once)
    torch.manual_seed(1)
    hidden = torch.randn(200, 12, requires_grad=True)
    output = torch.nn.Linear(12, size)
    targets = torch.randint(0, size, (200,))
    targets[::5] = -1
    ours = loss.summed_cross_entropy(hidden, output, targets, torch.float32)
    (ours * 0.5).backward()
    found = [hidden.grad, output.weight.grad, output.bias.grad]
    again = hidden.detach().requires_grad_()
    plain = torch.nn.Linear(12, size)
    plain.load_state_dict(output.state_dict())
    expected = torch.nn.functional.cross_entropy(plain(again), targets, ignore_index=-1, reduction="sum")
    (expected * 0.5).backward()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)
    for gradient, wanted in zip(found, [again.grad, plain.weight.grad, plain.bias.grad], strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


def test_nothing_to_predict_costs_nothing():
    output = torch.nn.Linear(4, 600)
    targets = torch.full((9,), -1)
    assert loss.summed_cross_entropy(torch.randn(9, 4), output, targets, torch.float32).item() == 0


@pytest.mark.parametrize("at_once", [1 << 21, 7 * 70])
def test_the_derivatives_by_a_factor_of_the_logits_are_those_of_the_loss(monkeypatch, at_once):
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", at_once)
    torch.manual_seed(1)
    hidden, output, targets = torch.randn(200, 12), torch.nn.Linear(12, 7), torch.randint(0, 7, (200,))
    targets[::5] = -1
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    logits = output(hidden).double() * factor
    nats = torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")
    (first,) = torch.autograd.grad(nats, factor, create_graph=True)
    (second,) = torch.autograd.grad(first, factor)
    found = loss.scale_derivatives(hidden, output, targets)
    assert found == pytest.approx((first.item(), second.item()), rel=1e-4)

"""RMSNorm forward and back by hand."""

from __future__ import annotations

import torch

from qlora_demo.models.fused_linear import Tensor, add_gradient, leave_the_file


class Norm:
    """RMSNorm (Zhang and Sennrich 2019) over the last dimension."""

    def __init__(self, module: torch.nn.Module):
        self._weight, self._eps = module.weight, module.variance_epsilon
        leave_the_file(self._weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The normed input, and 1 / its root mean square in fp32 for `again` and `backward`."""
        inverse = x.float().square().mean(-1, keepdim=True).add_(self._eps).rsqrt_()
        return self.again(x, inverse), inverse

    def again(self, x: Tensor, inverse: Tensor) -> Tensor:
        return _scaled(x, inverse).to(x.dtype).mul_(self._weight.data)

    def backward(self, dy: Tensor, x: Tensor, inverse: Tensor) -> Tensor:
        hat = _scaled(x, inverse)
        if self._weight.requires_grad:
            add_gradient(self._weight, (dy * hat).flatten(0, -2).sum(0).to(x.dtype))
        d_hat = (dy * self._weight.data).float()
        share = (d_hat * hat).mean(-1, keepdim=True)
        return d_hat.addcmul_(hat, share, value=-1).mul_(inverse).to(x.dtype)


def _scaled(x: Tensor, inverse: Tensor) -> Tensor:
    return x.float().mul_(inverse) if x.dtype != torch.float32 else x * inverse

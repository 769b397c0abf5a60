"""The test network's step in torch on a GPU, as the pipeline would call it: numpy in, numpy out, state stays there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from tests.support.networks import graphs

J = graphs.J


class TorchStep:
    """One step for many people; histories are shifted in place, so that a CUDA graph can repeat it."""

    def __init__(
        self, net: graphs.Tcn, people: int, graphed: bool, dtype: torch.dtype = torch.float32, device: str = "cuda"
    ) -> None:
        self.net, self.people, self.device = net, people, device
        self.weights = [torch.tensor(w, device=device, dtype=dtype).reshape(-1, w.shape[2]) for w in net.weights()]
        widths = [net.features] + [net.channels] * net.blocks
        self.history = [
            torch.zeros(people, 2 * d, w, device=device, dtype=dtype) for d, w in zip(net.dilations, widths)
        ]
        pinned = device == "cuda"
        self.host_in = torch.zeros(people, J * 4, pin_memory=pinned)
        self.host_out = torch.zeros(people, J * 4, pin_memory=pinned)
        self.given = torch.zeros(people, J * 4, device=device)
        self.reset = torch.zeros(people, 1, 1, device=device, dtype=torch.bool)
        self.answer = torch.zeros(people, J * 4, device=device)
        self._work: Callable[[], Any] = self._captured() if graphed else self._step

    def __call__(self, inputs: Mapping[str, np.ndarray], reset: bool = False) -> np.ndarray:
        """xyz and log_sigma, (people, J, 4)."""
        view = self.host_in.numpy().reshape(self.people, J, 4)
        view[..., :2], view[..., 2], view[..., 3] = inputs["x"], inputs["reliability"], 30 * inputs["dt"][:, None]
        self.given.copy_(self.host_in, non_blocking=True)
        self.reset.fill_(reset)
        self._work()
        self.host_out.copy_(self.answer, non_blocking=True)
        if self.device == "cuda":
            torch.cuda.current_stream().synchronize()
        return self.host_out.numpy().reshape(self.people, J, 4)

    @torch.no_grad()
    def _step(self) -> None:
        now = self.given.to(self.weights[0].dtype)
        now = torch.relu(self._wide(0, now) @ self.weights[0])
        for i in range(1, self.net.blocks + 1):
            inner = torch.relu(self._wide(i, now) @ self.weights[2 * i - 1])
            now = now + torch.relu(inner @ self.weights[2 * i])
        self.answer.copy_(now @ self.weights[-1])

    def _wide(self, i: int, now: torch.Tensor) -> torch.Tensor:
        """The three taps of a dilated layer; its history moves on by one."""
        history, dilation = self.history[i], self.net.dilations[i]
        known = torch.where(self.reset, now[:, None], history)
        taps = torch.cat((known[:, 0], known[:, dilation], now), 1)
        history.copy_(torch.cat((known[:, 1:], now[:, None]), 1))
        return taps

    def _captured(self) -> Callable[[], Any]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph.replay

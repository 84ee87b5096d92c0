"""DCGAN's training (Radford et al. 2016): a step of the discriminator, a step of the generator, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from stylegan.checkpoints.formats import native
from stylegan.common.pixels import bytes_to_signed, signed_to_bytes
from stylegan.networks.dcgan import Discriminator, Generator
from stylegan.training import distributed
from stylegan.training.dataset import Dataset
from stylegan.training.dcgan_options import DcganOptions
from stylegan.training.losses import discriminator_loss, generator_loss
from stylegan.training.metrics import measure
from stylegan.training.networks import draw, finite_gradients, weights_from
from stylegan.training.reel import Reel

_GRID = 64
# Of a film: pictures of fixed latents, drawn after every so many steps; and fresh ones, of every step.
FIXED, FIXED_STEPS, FRESH = 16, 4, 8


class Dcgan:
    """A DCGAN that learns pictures: a `task.Task` for one process.

    Every picture is shown once in each epoch, in an order of the epoch's own. The latents are uniform on a sphere,
    where a search walks; the paper's are uniform in a cube.

    Args:
        dataset: what to learn from.
        options: of the run.
        device: "cpu" or "cuda".
        reels: folder for what a film is made of: of each step some of its pictures, of fresh latents, and of every
            fourth the pictures of the same latents. None keeps nothing.

    Raises:
        ValueError: the options do not fit the pictures, or there are more processes.
    """

    name = "generator"

    def __init__(self, dataset: Dataset, options: DcganOptions, device: str = "cpu", reels: Path | None = None) -> None:
        if dataset.resolution != options.resolution:
            raise ValueError(
                f"The pictures have {dataset.resolution} px and the run {options.resolution}; make them agree."
            )
        if distributed.world_size() > 1:
            raise ValueError("A DCGAN is trained in one process; start it without torchrun.")
        self.options, self.dataset, self.device = options, dataset, torch.device(device)
        shape = {"img_resolution": options.resolution, "width": options.width}
        with weights_from(options.seed):
            self.G, self.D = Generator(options.z_dim, **shape), Discriminator(**shape)
        self.G.gaussian_fit = {"mean": torch.zeros(options.z_dim), "std": torch.ones(options.z_dim)}
        self.modules: dict[str, nn.Module] = {"G": self.G, "D": self.D}
        for module in self.modules.values():
            module.to(self.device)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(module.parameters(), options.learning_rate, betas=(options.beta1, 0.999))
            for name, module in self.modules.items()
        }
        self.fixed = None if reels is None else fixed_reel(reels, options.resolution)
        self.fresh = None if reels is None else fresh_reel(reels, options)
        rng = torch.Generator().manual_seed(options.seed)
        self._grid_z = torch.randn(_GRID, options.z_dim, generator=rng)
        self._grid_reals = torch.randperm(len(dataset), generator=rng)[:_GRID]

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """The discriminator's turn and then the generator's, on the same generated pictures."""
        n = self.options.batch_size
        reals = bytes_to_signed(self.dataset.reals(self._index(step)).to(self.device))
        z = torch.randn(n, self.options.z_dim, generator=rng, device=rng.device)
        with self._precision():
            fakes = self.G(z)
            self.D.requires_grad_(True)
            real_logits, fake_logits = self.D(reals), self.D(fakes.detach())
            loss_d = discriminator_loss(real_logits, fake_logits)
        self._update("D", loss_d)
        with self._precision():
            self.D.requires_grad_(False)
            loss_g = generator_loss(self.D(fakes))
        self._update("G", loss_g)
        self._film(step, fakes)
        with torch.no_grad():
            right = ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean()) / 2
        return {"D": loss_d.detach(), "G": loss_g.detach(), "right": right}

    def pictures(self) -> dict[str, Tensor]:
        """Images of the generator, always of the same latents."""
        return {"fakes": self._drawn(self._grid_z)}

    def examples(self) -> Tensor:
        """Real pictures (N, 3, R, R) of uint8 to compare `pictures` with."""
        return self.dataset.reals(self._grid_reals)

    def measure(self, count: int) -> dict[str, float]:
        """The sliced Wasserstein distance of `metrics.measure`."""
        with _evaluated(self.G):
            return measure(self.G, self.dataset, count)

    def export(self, path: Path) -> None:
        """Writes the generator."""
        native.save(self.G, path)

    def _index(self, step: int) -> Tensor:
        """The pictures of a step, (batch_size,)."""
        count, n = len(self.dataset), self.options.batch_size
        places = torch.arange(step * n, (step + 1) * n)
        index = torch.empty_like(places)
        for epoch in range(int(places[0]) // count, int(places[-1]) // count + 1):
            rng = torch.Generator().manual_seed(self.options.seed * 1_000_003 + epoch)
            mine = places // count == epoch
            index[mine] = torch.randperm(count, generator=rng)[places[mine] % count]
        return index

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        finite_gradients(list(self.modules[name].parameters()))
        self.optimizers[name].step()

    def _film(self, step: int, fakes: Tensor) -> None:
        if self.fresh is not None:
            self.fresh.put(step, signed_to_bytes(fakes[: self.fresh.shape[0]]).cpu())
        if self.fixed is not None and step % FIXED_STEPS == 0:
            self.fixed.put(step // FIXED_STEPS, self._drawn(self._grid_z[:FIXED]))

    def _drawn(self, z: Tensor) -> Tensor:
        with _evaluated(self.G), self._precision():
            return draw(self.G, z, torch.zeros(len(z), 0))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bfloat16)


def fixed_reel(folder: Path, resolution: int) -> Reel:
    """Where a run keeps the pictures of the same latents."""
    return Reel(folder / "fixed.u8", (FIXED, 3, resolution, resolution))


def fresh_reel(folder: Path, options: DcganOptions) -> Reel:
    """Where a run keeps pictures of fresh latents."""
    return Reel(folder / "fresh.u8", (min(FRESH, options.batch_size), 3, options.resolution, options.resolution))


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)

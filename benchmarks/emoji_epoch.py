"""An epoch of the DCGAN beside the same network in plain PyTorch: float32, contiguous, decoding in the loop.

    pulse aimoji dataset -o emoji
    python -m benchmarks.emoji_epoch emoji

All rows take the same steps, in turn, in one process, with the same weights to begin with. The time is that of the
processor, so that neighbours on a shared machine hardly count.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.environment import describe
from stylegan.common import pictures
from stylegan.common.framing import square_picture
from stylegan.common.pixels import bytes_to_signed
from stylegan.networks.dcgan import Discriminator, Generator
from stylegan.training import dataset as datasets
from stylegan.training.dcgan import Dcgan
from stylegan.training.dcgan_options import DcganOptions
from stylegan.training.dcgan_run import has_bfloat16
from stylegan.training.losses import discriminator_loss, generator_loss
from stylegan.training.options import PictureOptions


class Plain:
    """A DCGAN as one writes it with `torch.nn`: the modules of the tutorials, Adam, and the two turns of a step.

    Args:
        task: whose weights it begins with.
        channels_last: keep tensors in that order.
        bfloat16: compute the convolutions in it.
    """

    def __init__(self, task: Dcgan, channels_last: bool = False, bfloat16: bool = False) -> None:
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.bfloat16 = bfloat16
        self.G, self.D = plain_generator(task.G), plain_discriminator(task.D)
        for module in (self.G, self.D):
            module.to(memory_format=self.order)  # type: ignore[call-overload]
        rate, betas = task.options.learning_rate, (task.options.beta1, 0.999)
        self.optimizers = [torch.optim.Adam(module.parameters(), rate, betas) for module in (self.G, self.D)]

    def step(self, reals: Tensor, z: Tensor) -> None:
        """A step on real pictures (N, 3, R, R) in [-1, 1] and latents (N, z_dim)."""
        reals = reals.contiguous(memory_format=self.order)
        z = nn.functional.normalize(z) * z.shape[1] ** 0.5
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            fakes = self.G(z[:, :, None, None])
            self.D.requires_grad_(True)
            loss_d = discriminator_loss(self.D(reals).float(), self.D(fakes.detach()).float())
        self._update(1, loss_d)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            self.D.requires_grad_(False)
            loss_g = generator_loss(self.D(fakes).float())
        self._update(0, loss_g)

    def _update(self, which: int, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        self.optimizers[which].step()


def plain_generator(G: Generator) -> nn.Sequential:
    """The same function as a generator's, from latents (N, z_dim, 1, 1) on the sphere."""
    synthesis = G.synthesis
    first = nn.ConvTranspose2d(G.z_dim, len(synthesis.project) // 16, 4, bias=False)
    first.weight.data.copy_(synthesis.project.view(-1, 4, 4, G.z_dim).permute(3, 0, 1, 2))
    layers: list[nn.Module] = [first]
    for filter in synthesis.filters:
        is_last = filter is synthesis.filters[-1]
        layer = nn.ConvTranspose2d(filter.shape[0], filter.shape[1], 4, 2, 1, bias=is_last)
        layer.weight.data.copy_(filter)
        if is_last:
            layer.bias.data.copy_(synthesis.bias)  # type: ignore[union-attr]
        layers += [nn.BatchNorm2d(filter.shape[0]), nn.ReLU(True), layer]
    return nn.Sequential(*layers, nn.Tanh())


def plain_discriminator(D: Discriminator) -> nn.Sequential:
    """The same function as a discriminator's."""
    layers: list[nn.Module] = []
    for i, filter in enumerate(D.filters):
        layer = nn.Conv2d(filter.shape[1], filter.shape[0], 4, 2, 1, bias=i == 0)
        layer.weight.data.copy_(filter)
        if i == 0:
            layer.bias.data.copy_(D.first_bias)  # type: ignore[union-attr]
        norms = [nn.BatchNorm2d(len(filter))] if i else []
        layers += [layer, *norms, nn.LeakyReLU(0.2, True)]
    last = nn.Conv2d(D.last.shape[1] // 16, 1, 4)
    last.weight.data.copy_(D.last.view(1, -1, 4, 4))
    last.bias.data.copy_(D.bias)  # type: ignore[union-attr]
    return nn.Sequential(*layers, last, nn.Flatten())


class Loader:
    """Batches of a folder's pictures: from memory, or decoded for each step as the files that they come from."""

    def __init__(self, folder: Path, place: Path, options: DcganOptions) -> None:
        begun = time.process_time()
        self.dataset = datasets.read(folder, place, options.resolution, options=PictureOptions(background="white"))
        self.seconds = (time.process_time() - begun) / len(self.dataset)
        self.files = [folder / name for name in datasets.files_of(place)]
        self.options = options

    def index(self, step: int) -> Tensor:
        """The pictures of a step, (batch_size,)."""
        n = self.options.batch_size
        return torch.arange(step * n, (step + 1) * n) % len(self.dataset)

    def kept(self, step: int) -> Tensor:
        """The pictures of a step, (N, 3, R, R) in [-1, 1], decoded before."""
        return bytes_to_signed(self.dataset.reals(self.index(step)))

    def decoded(self, step: int) -> Tensor:
        """The same, decoded now."""
        side = self.options.resolution
        made = []
        for number in self.index(step).tolist():
            with self.files[number].open("rb") as file:
                picture = pictures.read(file, name=self.files[number].name)
            made.append(square_picture(picture, side, background="white"))
        return torch.stack(made).float() / 127.5 - 1


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of pictures")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=9, help="steps of each row")
    arguments = parser.parse_args()
    print(describe())
    shape = {"resolution": arguments.resolution, "width": arguments.width, "batch_size": arguments.batch_size}
    options = DcganOptions(**shape, bfloat16=has_bfloat16("cpu"))
    with tempfile.TemporaryDirectory() as place:
        loader = Loader(arguments.data, Path(place) / "kept", options)
        print_table(loader, Path(place) / "film", arguments.repeats)


def print_table(loader: Loader, film: Path, repeats: int) -> None:
    """Measures the rows in turn, and prints them."""
    options, count = loader.options, len(loader.dataset)
    ours, filmed = (Dcgan(loader.dataset, options, reels=reels) for reels in (None, film))
    plain = Plain(ours)
    print(f"largest difference of the plain network's pictures: {difference(ours, plain):.1e}")

    def of_plain(network: Plain, load: Callable[[int], Tensor]) -> Callable[[int], object]:
        return lambda step: network.step(load(step), torch.randn(options.batch_size, options.z_dim, generator=rng))

    rng = torch.Generator().manual_seed(0)
    rows: dict[str, Callable[[int], object]] = {
        "plain: float32, contiguous, decodes in the loop": of_plain(plain, loader.decoded),
        "float32, contiguous": of_plain(Plain(ours), loader.kept),
        "float32, channels last": of_plain(Plain(ours, channels_last=True), loader.kept),
        "bfloat16, contiguous": of_plain(Plain(ours, bfloat16=True), loader.kept),
        "bfloat16, channels last": of_plain(Plain(ours, channels_last=True, bfloat16=True), loader.kept),
        f"pulse aimoji train --no-film{'' if options.bfloat16 else ' (float32)'}": lambda step: ours.step(step, rng),
        "pulse aimoji train": lambda step: filmed.step(step, rng),
    }
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for step in range(repeats + 1):
        for name, call in rows.items():
            begun = time.process_time()
            call(step)
            # The first step allocates and chooses algorithms.
            if step:
                seconds[name].append(time.process_time() - begun)
    print(f"{count} pictures of {options.resolution} px, batches of {options.batch_size}, width {options.width};")
    print(f"decoding takes {1000 * loader.seconds:.1f} ms a picture, once in a training")
    print(f"{'':48s}  ms a picture  minutes an epoch  times as fast")
    medians = {name: statistics.median(taken) / options.batch_size for name, taken in seconds.items()}
    slowest = next(iter(medians.values()))
    for name, each in medians.items():
        print(f"{name:48s}{1000 * each:14.1f}{each * count / 60:18.2f}{slowest / each:15.2f}")


@torch.no_grad()
def difference(task: Dcgan, plain: Plain) -> float:
    """The largest between pictures and logits of a task's networks and of the plain ones with their weights."""
    z = torch.randn(8, task.options.z_dim, generator=torch.Generator().manual_seed(0))
    z = nn.functional.normalize(z) * z.shape[1] ** 0.5
    images = task.G(z)
    between = (images - plain.G(z[:, :, None, None])).abs().max()
    return float(torch.maximum(between, (task.D(images) - plain.D(images)).abs().max()))


if __name__ == "__main__":
    main()

"""One of DeepInverse's samplers as a method of the benchmark of super-resolution.

pip install -e ".[benchmarks,faces,interop]"
PYTHONPATH=examples/benchmark python -m benchmarks.super_resolution -o runs/langevin --quick --method langevin:langevin
"""

from deepinv.models import TVDenoiser
from deepinv.optim import L2, ScorePrior
from deepinv.physics import LinearPhysics
from deepinv.sampling import sampling_builder
from torch.nn.functional import interpolate

# Deviation of the noise that is believed to be in the small pictures, and of the noise that the prior takes away.
NOISE, DENOISED = 0.02, 0.05
STEPS = {"step_size": 1e-3, "alpha": 1.0, "sigma": DENOISED}


def langevin(pictures, task):
    """The mean of samples of unadjusted Langevin steps with a total-variation prior, by DeepInverse."""
    operator = task.operator(pictures.shape[-1])
    physics = LinearPhysics(A=lambda x, **_: operator.A(x), A_adjoint=lambda y, **_: operator.A_adjoint(y))
    sampler = sampling_builder(
        "ULA",
        data_fidelity=L2(sigma=NOISE),
        prior=ScorePrior(TVDenoiser(n_it_max=20)),
        params_algo=STEPS,
        max_iter=200,
        burnin_ratio=0.5,
        clip=(0.0, 1.0),
        verbose=False,
    )
    begin = interpolate(pictures, size=(task.resolution,) * 2, mode="bicubic").clamp(0, 1)
    return sampler(pictures, physics, x_init=begin, seed=task.seeds[0])

"""Where a face shows skin."""

import torch

from stylegan import portraits
from stylegan.portraits.render import materials
from stylegan.portraits.skin_places import PLACES, skin_places
from stylegan.portraits.tint import TINTED


def test_places_are_skin_of_most_people() -> None:
    u = portraits.sample(40, torch.Generator().manual_seed(3))
    landmarks = torch.stack([fact.landmarks for fact in portraits.truth(u, 64)])
    places = skin_places(landmarks, 64)
    assert places.shape == (40, len(PLACES), 64, 64)
    skin = materials(u, 64)[:, TINTED.index("skin")]
    shares = (places * skin[:, None]).sum((2, 3)) / places.sum((2, 3))
    assert (shares.mean(0) > 0.7).all()
    # Below the eyes and beside the nose, left and right; the forehead above and the bridge between them.
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    rows, columns = ((places * at).sum((2, 3)) / places.sum((2, 3)) for at in (y, x))
    assert (columns[:, 0] < columns[:, 3]).all()
    assert (columns[:, 3] < columns[:, 1]).all()
    assert (rows[:, 2] < rows[:, 3]).all()
    assert (rows[:, 3] < rows[:, :2].mean(1)).all()


def test_a_place_outside_of_the_picture_is_moved_to_its_edge() -> None:
    landmarks = torch.stack([fact.landmarks for fact in portraits.truth(torch.full((1, 64), 0.5), 32)])
    for shift in ((-60.0, 0.0), (60.0, 0.0), (0.0, -60.0), (0.0, 60.0)):
        assert skin_places(landmarks + torch.tensor(shift), 32).any((2, 3)).all()

"""Faces that dlib finds: where they are in the picture, which of several is meant, and how landmarks are compared."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.faces import PREDICTOR, Face, eye_distance, find_faces, landmark_offsets, overlap, true_face
from stylegan import portraits


def test_overlap_is_shared_area_over_joint_area() -> None:
    box = np.array([1.0, 2.0, 5.0, 4.0])
    assert overlap(box, box) == 1
    assert overlap(box, box + np.array([2, 0, 2, 0])) == pytest.approx(4 / 12)
    assert overlap(box, box + np.array([4, 0, 4, 0])) == 0
    assert overlap(box, box + np.array([9, 9, 9, 9])) == 0


def test_of_several_faces_the_one_that_lies_over_the_true_landmarks_is_meant() -> None:
    landmarks = np.random.default_rng(0).uniform((30, 40), (90, 110), (68, 2))
    wrong, right = (Face(np.array(box, dtype=float), None) for box in ((0, 0, 127, 60), (28, 42, 92, 100)))
    assert true_face([wrong, right], landmarks) is right
    assert true_face([right, wrong], landmarks) is right


def test_offsets_are_in_per_cent_of_the_distance_between_the_centres_of_the_eyes() -> None:
    true = np.random.default_rng(0).uniform(0, 128, (3, 68, 2))
    true[:, 42:48] = true[:, 36:42] + (24, -7)
    np.testing.assert_allclose(eye_distance(true), 25)
    seen = true.copy()
    seen[:, 30] += (2.5, -0.5)
    offsets = landmark_offsets(seen, true)
    np.testing.assert_allclose(offsets[:, 30], np.tile((10.0, -2.0), (3, 1)))
    assert not np.delete(offsets, 30, axis=1).any()


needs_dlib = pytest.mark.skipif(importlib.util.find_spec("dlib") is None, reason="dlib is not installed")


@needs_dlib
@pytest.mark.skipif(not PREDICTOR.exists(), reason="dlib's landmark predictor is not installed")
def test_faces_are_given_in_pixels_of_the_picture_whatever_its_size() -> None:
    picture = (portraits.render(portraits.sample(1, torch.Generator().manual_seed(3))) * 255).round().byte()[0]
    enlarged = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((384, 384), Image.Resampling.BICUBIC)
    large = torch.from_numpy(np.array(enlarged)).permute(2, 0, 1)
    ((small_face,),) = find_faces(picture[None] / 255, PREDICTOR)
    ((large_face,),) = find_faces(large[None] / 255, PREDICTOR)
    assert small_face.landmarks is not None
    assert large_face.landmarks is not None
    # The middle of the first of 128 pixels is the middle of the first three of 384.
    np.testing.assert_allclose(3 * small_face.landmarks + 1, large_face.landmarks)
    np.testing.assert_allclose(3 * small_face.box + 1, large_face.box)
    left, top, right, bottom = small_face.box
    nose = small_face.landmarks[30]
    assert left < nose[0] < right
    assert top < nose[1] < bottom


@needs_dlib
def test_no_face_is_found_where_there_is_none() -> None:
    noise = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert find_faces(noise) == [[], []]

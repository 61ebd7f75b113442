"""From pictures to samples: windows and augmentation, the training set, batches."""

from pcseg.feeding.pictures.augment import Blur, Grayscale, Jitter
from pcseg.feeding.pictures.dataset import PictureDataset
from pcseg.feeding.pictures.window import Window, WindowCrop

__all__ = ["Blur", "Grayscale", "Jitter", "PictureDataset", "Window", "WindowCrop"]

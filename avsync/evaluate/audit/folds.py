"""Parts of the clips that share no person, so that what is learned on some is tested on others."""

from collections.abc import Iterator, Sequence

import numpy as np

from avsync.evaluate.metrics import Flags

FOLDS = 5


def folds(identities: Sequence[str], fake: Flags) -> Iterator[tuple[Flags, Flags]]:
    """Yield which clips to learn from and which to test on, bool [n] each; every clip is tested once.

    People are dealt to the parts at random, those with fakes alone, with real clips alone and with both each in turn,
    so that every part has of each. Of one person alone there are no parts.

    Args:
        identities: the person of each clip, [n].
        fake: whether it is a fake, [n].
    """
    people, index = np.unique(np.asarray(identities), return_inverse=True)
    has_fake = np.bincount(index, weights=fake, minlength=len(people)) > 0
    has_real = np.bincount(index, weights=~fake, minlength=len(people)) > 0
    order = np.random.default_rng(0).permutation(len(people))
    order = order[np.argsort((has_fake * 2 + has_real)[order], kind="stable")]
    part = np.empty(len(people), np.int64)
    part[order] = np.arange(len(people)) % FOLDS
    for number in range(FOLDS):
        test = part[index] == number
        if test.any() and not test.all():
            yield ~test, test

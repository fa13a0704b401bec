"""Reconstructions: real recordings, taken apart and put together again by us. The only fakes that training may see."""

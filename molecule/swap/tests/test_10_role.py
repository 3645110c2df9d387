"""What the role has made."""

from __future__ import annotations


def test_the_swap_is_in_use_at_its_size_and_comes_back_at_boot(swaps):
    assert swaps.active == {"/swapfile": 160}
    assert swaps.fstab == ["/swapfile none swap sw 0 0"]
    assert swaps.left == ["/swapfile"]


def test_the_file_is_its_owners_alone_and_has_no_holes(swaps):
    owner, mode, size, blocks = swaps.host.check_output("stat --format='%U %a %s %b' /swapfile").split()
    assert (owner, mode, int(size)) == ("root", "600", 160 << 20)
    assert int(blocks) * 512 >= 160 << 20


def test_the_kernel_swaps_as_eagerly_as_asked(swaps):
    assert swaps.sysctls == ["10", "3"]

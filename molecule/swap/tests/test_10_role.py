"""What the role has made."""

from __future__ import annotations


def test_the_swap_is_in_use_at_its_size_and_comes_back_at_boot(swaps):
    assert swaps.active == {"/swapfile": 256}
    assert swaps.fstab == ["/swapfile none swap sw 0 0"]
    assert swaps.left == ["/swapfile"]


def test_the_file_is_its_owners_alone_and_has_no_holes(swaps):
    file = swaps.host.file("/swapfile")
    assert (file.user, file.mode, file.size) == ("root", 0o600, 256 << 20)
    assert int(swaps.host.check_output("stat --format=%b /swapfile")) * 512 >= 256 << 20


def test_the_kernel_swaps_as_eagerly_as_asked(swaps):
    assert swaps.host.check_output("cat /proc/sys/vm/swappiness /proc/sys/vm/page-cluster").split() == ["10", "3"]

# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sabakan-sftp-keeper: keeps S3 mounts and sshd in service in one container. Standard library only; runs as `python3 sabakan_sftp`."""

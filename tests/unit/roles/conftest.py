# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys

from ansible_collections.sabakan.vps.plugins.module_utils import _oom, _s3_request

# Where they are installed, programs have these beside them.
sys.modules["sabakan_sftp._oom"] = _oom
sys.modules["sabakan_sftp._s3_request"] = sys.modules["sabakan_exclusive._s3_request"] = _s3_request

# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach an S3 store."""

    DOCUMENTATION = r"""
options:
  endpoint_url:
    description: URL of the store; Amazon's of the region when not given.
    type: str
  region:
    description: Region, which is part of each signature.
    type: str
    default: us-east-1
  access_key:
    description: Access key. Without it boto3 looks where it always does (environment, profile, instance).
    type: str
  secret_key:
    description: Secret key.
    type: str
  session_token:
    description: Session token of temporary keys.
    type: str
  path_style:
    description: Whether the bucket is part of the path and not of the host's name; stores other than Amazon's mostly want it.
    type: bool
    default: true
  ca_path:
    description: File with the CA certificate that the store is verified with; the system's when not given.
    type: path
  timeout:
    description: Seconds to wait for an answer. The copy of a large object is answered when it is done, so that 60 may be few for gigabytes.
    type: int
    default: 60
requirements:
  - boto3 >= 1.26 on the host that runs the module (Debian's C(python3-boto3) of 12 and 13)
"""

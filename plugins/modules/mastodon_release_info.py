#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mastodon_release_info
short_description: Resolve a Mastodon ref and tell how far its release is on this host
version_added: 0.1.0
description:
  - Asks the repository for the commit of a tag, a branch or a full commit identifier, and looks at what is in
    C(releases/). Changes nothing; needs neither the user nor the directories to be there.
  - A ref that the repository does not have is an error. Where git is not installed yet, the commit stays empty.
options:
  repository: {description: URL of the git repository., type: str, required: true}
  ref: {description: "Tag, branch, or commit (40 hexadecimal digits).", type: str, required: true}
  version: {description: The version that the release is declared to be., type: str, required: true}
  home: {description: Directory that holds C(releases/) and C(current)., type: path, required: true}
  user: {description: "Owner of C(home), as whom git runs if it exists.", type: str, required: true}
  git_config:
    description: Git settings by name, such as C(url.https://mirror/.insteadOf).
    type: dict
    default: {}
  bundle_config: {description: "Bundler's settings, a part of what a finished build is known by.", type: dict, default: {}}
  path: {description: Search path for the Ruby and the Node in use., type: str, default: /usr/local/bin:/usr/bin:/bin}
  keep: {description: Releases to keep., type: int, default: 3}
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Resolve the release
  sabakan.vps.mastodon_release_info:
    repository: https://github.com/mastodon/mastodon.git
    ref: v4.5.15
    version: "4.5"
    home: /home/mastodon
    user: mastodon
"""

RETURN = r"""
commit: {description: The commit; empty where git is not installed., type: str, returned: success}
digest: {description: What a finished build of it is known by on this host., type: str, returned: success}
present: {description: Its files are there., type: bool, returned: success}
complete: {description: It is built to the end., type: bool, returned: success}
current: {description: The release that C(current) names., type: str, returned: success}
version: {description: The version that its files tell., type: str, returned: success}
problems: {description: How its files are not what was declared., type: list, elements: str, returned: success}
unsuited:
  description: Why this host's Ruby and Node are not what its C(Gemfile) and C(package.json) ask for.
  type: list
  elements: str
  returned: success
removable: {description: Paths of releases to remove., type: list, elements: str, returned: success}
"""

import glob
import os
import pwd
import re
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _release, _runtimes

MARKER = ".sabakan-complete"
# Releases, and their archives that an interrupted run has left.
DEPLOYED = re.compile(r"[0-9a-f]{40}(-[0-9a-f]{40}\.tar\.gz)?")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def owner_of(module):
    """The user as whom root runs what the user could have put there; None where there is none yet."""
    try:
        return pwd.getpwnam(module.params["user"]) if os.geteuid() == 0 else None
    except KeyError:
        return None


def as_user(module, owner):
    """By its whole path: a search path may begin with directories of the user's."""
    return [module.get_bin_path("runuser", required=True), "-u", owner.pw_name, "--"] if owner else []


class Git:
    """Git with the settings of this role alone; the settings reach a file:// repository's own process too."""

    def __init__(self, module, directory):
        self.module, self.git, self.directory = module, module.get_bin_path("git"), directory
        owner = owner_of(module)
        self.prefix = as_user(module, owner)
        self.environ = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.path.join(directory, "gitconfig")}
        if owner:
            os.chown(directory, owner.pw_uid, owner.pw_gid)
            self.environ["HOME"] = owner.pw_dir
        for name, value in module.params["git_config"].items():
            for single in value if isinstance(value, list) else [value]:
                self(["config", "--file", self.environ["GIT_CONFIG_GLOBAL"], "--add", name, str(single)])

    def __call__(self, words):
        return self.module.run_command([*self.prefix, self.git, *words], environ_update=self.environ, cwd=self.directory)

    def resolve(self, repository, ref):
        """The commit; a commit identifier is fetched, alone and without its files, to see that it is there."""
        if _release.COMMIT.fullmatch(ref):
            probe = os.path.join(self.directory, "probe.git")
            self(["init", "--quiet", "--bare", probe])
            code, error = self(["-C", probe, "fetch", "--quiet", "--depth=1", "--filter=tree:0", repository, ref])[::2]
            return ("" if code else ref), error
        code, listing, error = self(["ls-remote", repository, ref, f"refs/tags/{ref}^{{}}", f"{ref}^{{}}"])
        if code:
            self.module.fail_json(msg=f"the git repository {repository} cannot be read: {error.strip()}")
        return _release.commit_of(listing, ref), error


def found_by(module, program, words, directory):
    """What a program of the search path says in a directory; rbenv chooses by the release's own .ruby-version.

    As the user: rbenv's shims are the user's own, and any Ruby takes gems from HOME.
    """
    places = [os.path.join(entry, program) for entry in module.params["path"].split(":")]
    command = next((place for place in places if os.access(place, os.X_OK)), None)
    environ = {"HOME": module.params["home"], "PATH": module.params["path"]}
    if not command:
        return ""
    code, text = module.run_command([*as_user(module, owner_of(module)), command, *words], environ_update=environ, cwd=directory or "/")[:2]
    return "" if code else text.strip()


def releases_in(root):
    """{name: time of its completion}, 0 for what is not complete; what no deployment has put there is not ours to remove."""
    found = {}
    for name in filter(DEPLOYED.fullmatch, os.listdir(root) if os.path.isdir(root) else []):
        marker = os.path.join(root, name, MARKER)
        found[name] = os.stat(marker).st_mtime if os.path.exists(marker) else 0.0
    return found


def in_use(home):
    """Releases that a process runs in, or that `current` names."""
    used = {os.path.basename(os.path.realpath(os.path.join(home, "current")))}
    for link in glob.glob("/proc/[0-9]*/cwd"):
        try:
            parts = os.path.relpath(os.readlink(link), os.path.join(home, "releases")).split("/")
        except OSError:
            continue
        used.add(parts[0])
    return used


def main():
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "str", "required": True},
            "ref": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "git_config": {"type": "dict", "default": {}},
            "bundle_config": {"type": "dict", "default": {}},
            "path": {"type": "str", "default": "/usr/local/bin:/usr/bin:/bin"},
            "keep": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    asked, home = module.params, module.params["home"]
    commit = ""
    if module.get_bin_path("git"):
        with tempfile.TemporaryDirectory(prefix="sabakan-git-", ignore_cleanup_errors=True) as directory:
            commit, error = Git(module, directory).resolve(asked["repository"], asked["ref"])
        if not commit:
            module.fail_json(msg=(
                f"mastodon_ref {asked['ref']!r} is neither a tag, a branch nor a whole commit identifier (40 digits) of"
                f" {asked['repository']}; nothing was changed. {error.strip()}"
            ))
    root = os.path.join(home, "releases")
    releases = releases_in(root)
    target = os.path.join(root, commit) if commit else ""
    place = target if target and os.path.isdir(target) else None
    script = "puts RUBY_VERSION, [RUBY_ENGINE, RUBY_VERSION, RUBY_PLATFORM, RbConfig::CONFIG['ruby_version']].join"
    ruby, _separator, runtime = found_by(module, "ruby", ["-e", script], place).partition("\n")
    node = found_by(module, "node", ["--version"], place)
    digest = _release.digest_of(commit, asked["bundle_config"], runtime, node)
    version = _release.version_of(read(os.path.join(target, "lib/mastodon/version.rb"))) if target else ""
    present = commit in releases and bool(version)
    queues = _release.queues_in(read(os.path.join(target, "config/sidekiq.yml"))) if present else []
    unsuited = _runtimes.unsuited(
        ruby, node, read(os.path.join(target, "Gemfile")), [read(os.path.join(target, name, "package.json")) for name in ("", "streaming")],
    ) if present else []
    removable = _release.removable(releases, asked["keep"], commit, in_use(home)) if commit else []
    module.exit_json(
        commit=commit, digest=digest, present=present, version=version,
        complete=bool(commit and runtime) and read(os.path.join(target, MARKER)).strip() == digest,
        current=os.path.basename(os.readlink(os.path.join(home, "current"))) if os.path.islink(os.path.join(home, "current")) else "",
        problems=_release.problems_of(version, queues, asked["version"]) if present else [],
        unsuited=unsuited,
        removable=[os.path.join(root, name) for name in removable],
    )


if __name__ == "__main__":
    main()

"""`./sabakan test`: lint, sanity, unit and every molecule scenario."""

from __future__ import annotations

from tools import engine, environment, fleet, images, machine_images
from tools.ground import ROOT, Failure, answers, run
from tools.jobs import Job, run_all

LINTERS: dict[str, list[str]] = {
    "ruff": ["ruff", "check", "."],
    "mypy": ["mypy"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline"],
    "changelog": ["antsibull-changelog", "lint"],
    "readmes": ["python", "tools/readmes.py", "--check"],
    "documentation": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."],
}
PARTS = ("lint", "sanity", "unit", "molecule")
# Those of several minutes, the longest first, so that none is left to run alone at the end.
LONG = ("cluster", "sftp_s3", "swap", "incident_reboot_loop", "descriptor_limits", "reboot_timer")


def scenarios() -> list[str]:
    """Every scenario, the longest first."""
    names = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return sorted(names, key=lambda name: LONG.index(name) if name in LONG else len(LONG))


def _images(scenario: str, debian: str) -> set[str]:
    """Images of a scenario's hosts: of the releases that its inventory fixes, else of the one asked for."""
    text = "".join(path.read_text() for path in (ROOT / "molecule" / scenario).rglob("inventory/**/*.yml"))
    kind = "machine" if "fleet_kind: machine" in text else "image"
    fixed = {release for release in images.SUITES if f"fleet_debian: {release}" in text}
    return {f"{kind} {release}" for release in fixed or {debian}}


def _make(image: str) -> None:
    kind, release = image.split()
    if kind == "machine":
        machine_images.ensure(release, fleet.authorized_keys())
    else:
        images.ensure(release)


def _lint(name: str) -> None:
    run(LINTERS[name], log=f"lint-{name}")


def _sanity() -> None:
    run(["python", ROOT / "tools" / "sanity.py"], log="sanity")


def _unit() -> None:
    run(["pytest", "-q", "-n", "2", "tests/unit"], log="unit")


def _browser() -> None:
    if not answers(["chromium", "--version"]):
        engine.apt_install(["chromium"])


def _scenario(name: str, debian: str) -> None:
    with fleet.alone(name):
        path = fleet.inventory(name, debian)
        run(
            ["molecule", "--base-config", ROOT / ".config" / "molecule" / "config.yml", "test", "--scenario-name", name], log=f"molecule-{name}-{debian}",
            env={"SABAKAN_FLEET": str(path), "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "COLUMNS": "200"},
            next_step=f"./sabakan test {name}",
        )


def _jobs(debian: str, wanted: list[str]) -> list[Job]:
    jobs: list[Job] = []
    chosen = [name for name in scenarios() if name in wanted]
    # One after the other, those of the containers first.
    wanted_images = sorted(set().union(*(_images(name, debian) for name in chosen)), key=lambda name: (name.split()[0], -int(name.split()[1]))) if chosen else []
    for number, image in enumerate(wanted_images):
        jobs.append(Job(image, lambda image=image: _make(image), wanted_images[:number], counted=False))
    if "cluster" in chosen:
        jobs.append(Job("browser", _browser, counted=False))
    scenario_jobs = [
        Job(name, lambda name=name: _scenario(name, debian),
            sorted(_images(name, debian)) + (["browser"] if name == "cluster" else []))
        for name in chosen
    ]
    small = [Job(f"lint {name}", lambda name=name: _lint(name)) for name in LINTERS] if "lint" in wanted else []
    small += [Job("unit", _unit)] if "unit" in wanted else []
    small += [Job("sanity", _sanity)] if "sanity" in wanted else []
    return jobs + [job for job in scenario_jobs if job.name == "cluster"] + small + [
        job for job in scenario_jobs if job.name != "cluster"
    ]


def show() -> int:
    print("\n".join(["lint", "sanity", "unit", "molecule", *scenarios()]))
    return 0


def main(debian: str, parts: list[str]) -> int:
    known = [*PARTS, *scenarios()]
    unknown = [part for part in parts if part not in known]
    if unknown:
        raise Failure(f"no such part: {', '.join(unknown)}", f"one or more of: {', '.join(known)}")
    wanted = list(parts or PARTS)
    if "molecule" in wanted:
        wanted += scenarios()
    if any(name in wanted for name in scenarios()):
        engine.ensure()
    environment.ensure()
    if any(name in wanted for name in scenarios()):
        fleet.repository()
    return 0 if run_all(_jobs(debian, wanted)) else 1

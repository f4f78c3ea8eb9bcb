from __future__ import annotations

from pathlib import Path

from storage.artifacts import Artifact, list_artifacts, remove_artifacts, remove_empty_folders

STUDY = "3f0c0a5e-0000-4000-8000-000000000000"


def write(path: Path, num_bytes: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * num_bytes)
    return path


def test_files_are_listed_with_their_trial_and_size(tmp_path: Path) -> None:
    weights = write(tmp_path / STUDY / "trial-00012" / "epoch-0001.pt", 5)
    other = write(tmp_path / STUDY / "notes.txt", 3)
    write(tmp_path / "mine" / "trial-00000" / "epoch-0001.pt", 5)
    write(tmp_path / "letter.txt", 5)
    assert list_artifacts(tmp_path) == {STUDY: (Artifact(None, other, 3), Artifact(12, weights, 5))}
    assert list_artifacts(tmp_path / "nowhere") == {}


def test_removing_tells_what_cannot_be_removed_and_goes_on(tmp_path: Path) -> None:
    files = [Artifact(0, write(tmp_path / "a", 1), 1), Artifact(0, Path("/proc/version"), 1)]
    files.append(Artifact(0, write(tmp_path / "b", 1), 1))
    removed, faults = remove_artifacts(files)
    assert removed == [files[0], files[2]]
    assert [fault.rpartition(": ")[0] for fault in faults] == ["/proc/version: it cannot be removed"]
    assert not list(tmp_path.iterdir())


def test_only_empty_folders_go(tmp_path: Path) -> None:
    kept = write(tmp_path / STUDY / "trial-00000" / "epoch-0001.pt", 1)
    (tmp_path / STUDY / "trial-00001").mkdir()
    remove_empty_folders(tmp_path / STUDY)
    assert list((tmp_path / STUDY).iterdir()) == [kept.parent]
    kept.unlink()
    remove_empty_folders(tmp_path / STUDY)
    assert not list(tmp_path.iterdir())


def test_a_link_is_removed_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "epoch-0001.pt", 9)
    folder = tmp_path / "root" / STUDY
    folder.mkdir(parents=True)
    (folder / "trial-00000").symlink_to(outside.parent)
    (folder / "link.pt").symlink_to(outside)
    files = list_artifacts(tmp_path / "root")[STUDY]
    assert [file.path.name for file in files] == ["link.pt"]
    assert remove_artifacts(files)[1] == []
    assert outside.exists()

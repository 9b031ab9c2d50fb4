"""The papers' data."""

from __future__ import annotations

import pytest


def test_of_images_no_more_are_held_than_fit_into_memory(models, tmp_path):
    from datasets import Dataset, Features, Image
    from paper_data import IMAGES, SOURCES, Source, _image
    from PIL import Image as Picture

    path = str(tmp_path / "images.parquet")
    pictures = [Picture.new("RGB", (4, 3), (n, n, n)) for n in range(7)]
    Dataset.from_dict({"image": pictures}, Features({"image": Image()})).to_parquet(path)
    loaded = Source("parquet", "train", _image("image"), files=path, most=5).load(6)
    assert [image.getpixel((0, 0))[0] for image in loaded] == [0, 1, 2, 3, 4]
    assert {image.size for image in loaded} == {(640, 480)}
    assert len(Source("parquet", "train", _image("image"), files=path, most=5).load(3)) == 3
    held = {
        source.most
        for (task, _), source in SOURCES.items()
        if isinstance(source, Source) and ("image-" in task or task == "object-detection")
    }
    assert held == {IMAGES}


def test_a_table_beside_a_script_is_read_as_a_file_and_named_where_it_is_missing(models, tmp_path):
    from datasets import Dataset
    from paper_data import Source, _column

    path = tmp_path / "metadata.parquet"
    Dataset.from_dict({"prompt": ["a cat ", "", "a dog"]}).to_parquet(str(path))
    source = Source("parquet", "train", _column("prompt"), files=str(path))
    assert source.load(5) == ["a cat", "a dog"]
    path.unlink()
    with pytest.raises(LookupError, match=r"the dataset .*metadata\.parquet could not be loaded"):
        source.load(5)


def test_files_of_one_configuration_are_read_without_its_name(models, tmp_path):
    from datasets import Dataset
    from paper_data import SOURCES, Source

    for folder, column in (("record", "passage"), ("boolq", "question")):
        target = tmp_path / folder / "test" / "0000.parquet"
        target.parent.mkdir(parents=True)
        Dataset.from_dict({column: [f"from {folder}"]}).to_parquet(str(target))
    record = SOURCES["token-classification", "record"]
    here = Source(str(tmp_path), record.split, record.sample, files=record.files)
    assert here.load(5) == ["from record"]

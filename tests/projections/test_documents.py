"""Documents and mappings belong together."""

from __future__ import annotations

import msgspec
import pytest

from projections.catalogue import BY_NAME, MODELS
from projections.store import ReadModel


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_mapping_has_every_member_of_the_document_and_no_other(model: ReadModel) -> None:
    members = [member.name for member in msgspec.structs.fields(model.document)]
    assert list(model.fields) == members
    assert model.mapping["dynamic"] == "strict"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_lookups_key_and_routing_are_indexed_fields(model: ReadModel) -> None:
    named = {field for lookup in model.lookups for field in lookup} | {model.key}
    assert named <= set(model.columns)
    assert model.routing is None or model.routing in model.columns


def test_every_model_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(MODELS)

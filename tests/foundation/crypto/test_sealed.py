from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, event, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from helpline.foundation.crypto.records import Tampered
from helpline.foundation.crypto.sealed import (
    Sealed,
    seal_values,
    sealed_column,
    sealed_columns,
    sealed_json,
    sealed_text,
    unseal_row,
)


class Base(DeclarativeBase):
    pass


class Story(Sealed, Base):
    __tablename__ = "stories"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(default="")
    narrative_sealed: Mapped[bytes | None] = sealed_column()
    narrative = sealed_text("narrative_sealed")
    answers_sealed: Mapped[bytes | None] = sealed_column()
    answers = sealed_json("answers_sealed")


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[UUID] = mapped_column(primary_key=True)


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine):
    seen = []
    event.listen(engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    return seen


def keep(engine, **values):
    story = Story(id=uuid4(), **values)
    with Session(engine) as session:
        session.add(story)
        session.commit()
        return story.id


def test_a_row_reads_as_it_was_written_and_the_table_holds_ciphertext(engine):
    row_id = keep(engine, narrative="ran to the neighbour", answers={"hurt": True, "who": ["x"]})
    with Session(engine) as session:
        story = session.get(Story, row_id)
        assert story.narrative == "ran to the neighbour"
        assert story.answers == {"hurt": True, "who": ["x"]}
        stored = session.execute(select(Story.__table__)).mappings().one()
        assert b"neighbour" not in b"".join(v for v in stored.values() if isinstance(v, bytes))


def test_a_list_query_fetches_nothing_sealed_and_the_first_reading_is_one_statement(engine, statements):
    keep(engine, narrative="a", answers=[1])
    statements.clear()
    with Session(engine) as session:
        story = session.scalars(select(Story)).one()
        assert len(statements) == 1
        assert "_sealed" not in statements[0]
        assert "record_key" not in statements[0]
        assert (story.narrative, story.answers) == ("a", [1])
        assert len(statements) == 2


def test_none_stays_none_and_clears(engine):
    row_id = keep(engine, narrative="a")
    with Session(engine) as session:
        story = session.get(Story, row_id)
        assert story.answers is None
        story.narrative = None
        session.commit()
        assert story.narrative is None
        assert session.scalar(select(Story.narrative_sealed)) is None


def test_a_row_without_anything_sealed_can_take_a_text_later(engine):
    row_id = keep(engine)
    with Session(engine) as session:
        before = session.scalar(select(Story.record_key))
        session.get(Story, row_id).narrative = "later"
        session.commit()
    with Session(engine) as session:
        assert session.get(Story, row_id).narrative == "later"
        assert session.scalar(select(Story.record_key)) == before


def test_without_an_id_nothing_can_be_sealed(engine):
    with pytest.raises(ValueError, match="needs its id"):
        Story(narrative="too early")
    with Session(engine) as session:
        session.add(Story())
        with pytest.raises(ValueError, match="needs its id"):
            session.flush()


def test_a_ciphertext_moved_between_rows_or_columns_does_not_open(engine):
    one, other = keep(engine, narrative="one"), keep(engine, narrative="other")
    with Session(engine) as session:
        row = session.execute(select(Story.narrative_sealed, Story.record_key).where(Story.id == one)).one()
        session.execute(update(Story).where(Story.id == other).values(narrative_sealed=row[0], record_key=row[1]))
        session.execute(update(Story).where(Story.id == one).values(answers_sealed=row[0]))
        session.commit()
        with pytest.raises(Tampered):
            _ = session.get(Story, other).narrative
        with pytest.raises(Tampered):
            _ = session.get(Story, one).answers
        assert session.get(Story, one).narrative == "one"


def test_core_statements_and_models_read_each_other(engine):
    row_id = uuid4()
    plain = {"narrative_sealed": "by core", "answers_sealed": None}
    with Session(engine) as session:
        session.execute(insert(Story).values(id=row_id, title="t", **seal_values("stories", row_id, plain)))
        session.commit()
        story = session.get(Story, row_id)
        assert (story.narrative, story.answers) == ("by core", None)
        story.answers = {"a": 1}
        session.commit()
        row = session.execute(select(Story.__table__)).mappings().one()
        assert unseal_row("stories", row) == {
            "id": row_id,
            "title": "t",
            "narrative": "by core",
            "answers": {"a": 1},
        }
        changed = seal_values("stories", row_id, {"narrative_sealed": "again"}, row["record_key"])
        assert changed["record_key"] == row["record_key"]
        session.execute(update(Story).values(**changed))
        session.commit()
        assert (story.narrative, story.answers) == ("again", {"a": 1})


def test_the_metadata_knows_which_columns_are_sealed():
    assert sealed_columns(Base.metadata) == {"stories": {"narrative_sealed", "answers_sealed"}}
    assert Story.narrative.column == "narrative_sealed"

"""Old logs are read in the encoding they were written in, wherever in the file the first accent stands."""

import io
import random
import unicodedata

import pytest

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular import encoding as subject

SPANISH = "fecha,provincia,quién\n2017-01-02,Córdoba,Víctima\n2017-01-03,Tucumán,Comisaría\n2017,Neuquén,Ñandú ¿sí?\n"
FRENCH = "date,région,motif\n2017-01-02,Île-de-France,«violence psychologique»\n2018,Rhône,«élève frappé à l’école»\n"
GERMAN = "Datum,Ort\n2017,Köln\n2018,München – Größe: groß\n"
POLISH = "data,miejscowość,opis\n2017,Łódź,dziecko płacze\n2018,Gdańsk,przemoc słowna, żółć\n"
CZECH = "datum,místo\n2017,Plzeň\n2018,Příbram, dítě křičí\n"
HUNGARIAN = "dátum,hely\n2017,Győr\n2018,Székesfehérvár, erőszak, szülő\n"
RUSSIAN = "дата,город,описание\n2017,Москва,ребёнок плачет\n2018,Казань,насилие в семье\n"
GREEK = "ημερομηνία,πόλη\n2017,Αθήνα\n2018,Θεσσαλονίκη, το παιδί κλαίει\n"
TURKISH = "tarih,şehir\n2017,İstanbul\n2018,Şanlıurfa, çocuk ağlıyor, küçüğüm\n"
VIETNAMESE = "ngày,tỉnh,mô tả\n2017,Hà Nội,trẻ em bị bạo lực\n2018,Đà Nẵng,gọi lần thứ hai\n"
KHMER = "កាលបរិច្ឆេទ,ខេត្ត\n2017,ភ្នំពេញ\n2018,សៀមរាប\n"


def detect(data, **options):
    return subject.detect(io.BytesIO(data), **options)


@pytest.mark.parametrize("text", [SPANISH, FRENCH, POLISH, RUSSIAN, VIETNAMESE, KHMER], ids=lambda text: text[:6])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_files_are_read_as_what_they_are(text, codec):
    data = text.encode(codec)
    assert data.decode(detect(data).encoding).lstrip("\ufeff") == text


@pytest.mark.parametrize("text", [SPANISH, KHMER, RUSSIAN], ids=lambda text: text[:6])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised(text, codec):
    assert detect(text.encode(codec)).encoding == codec


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (SPANISH, "cp1252"),
        (SPANISH, "mac_roman"),
        (SPANISH, "cp850"),
        (SPANISH.replace("¿", ""), "latin-1"),
        (FRENCH, "cp1252"),
        (FRENCH, "mac_roman"),
        (GERMAN, "cp1252"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        (POLISH, "cp852"),
        (CZECH, "cp1250"),
        (HUNGARIAN, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (RUSSIAN, "cp866"),
        (GREEK, "cp1253"),
        (TURKISH, "cp1254"),
    ],
    ids=lambda value: value[:6],
)
def test_legacy_files_read_back_as_they_were_written(text, codec):
    data = text.encode(codec)
    assert data.decode(detect(data).encoding) == text


def test_vietnamese_windows_files_are_recognised():

    decomposed = "".join(
        part
        if part in "ăâđêôơưĂÂĐÊÔƠƯ"
        else unicodedata.normalize("NFD", part).replace("a\u0306", "ă").replace("a\u0302", "â")
        for part in "tre em bi bao luc, ngày, Hà"
    )
    data = (decomposed + " la\u0300 mô\u0323t đu\u0301a ơ\u0309 đâu\u0301").encode("cp1258", errors="ignore")
    assert detect(data).encoding == "cp1258"


def test_one_accent_far_from_the_start_is_enough():
    data = b"date,place\n" + b"2017-01-02,Salta\n" * 200_000 + "2017-01-02,Córdoba\n".encode("cp1252")
    assert detect(data).encoding == "cp1252"
    assert detect(data[:-9] + "órdoba\n".encode()).encoding == "utf-8"


def test_a_character_cut_by_a_chunk_is_still_utf8(monkeypatch):
    monkeypatch.setattr(subject, "CHUNK", 7)
    assert detect(KHMER.encode()).encoding == "utf-8"
    assert detect(SPANISH.encode("cp1252")).encoding == "cp1252"


def test_utf8_with_a_damaged_byte_is_refused_with_its_line():
    with pytest.raises(Invalid) as caught:
        detect(SPANISH.encode() + "2018,Jujuy,x\xff\n".encode("latin-1"))
    assert (caught.value.code, caught.value.details["line"]) == ("encoding_mixed", 5)


def test_utf8_cut_short_at_its_end_is_refused():
    with pytest.raises(Invalid, match="encoding_mixed"):
        detect(KHMER.encode()[:-2])


def test_the_user_may_name_the_encoding():
    assert detect(SPANISH.encode("cp1252"), override="iso-8859-1").encoding == "iso8859-1"
    assert detect(SPANISH.encode("utf-8-sig"), override="utf-8").encoding == "utf-8-sig"
    assert detect(SPANISH.encode("utf-16"), override="utf-16").encoding == "utf-16"


@pytest.mark.parametrize(
    ("data", "override", "code"),
    [
        (b"a,b\n", "klingon", "encoding_unknown"),
        (b"a,b\n", "hex", "encoding_unknown"),
        (SPANISH.encode("cp1252"), "utf-8", "encoding_wrong"),
        (b"\xff\xfea\x00b", None, "encoding_wrong"),
        (bytes(range(9)) * 300, None, "file_not_a_table"),
    ],
)
def test_what_cannot_be_text_is_refused(data, override, code):
    with pytest.raises(Invalid, match=code):
        detect(data, override=override)


def test_nul_characters_are_counted():
    assert detect(b"a,b\n" + b"1,2\n" * 100 + b"3,\x004\n").nuls == 1


def test_many_words_are_judged_by_some_but_every_byte_counts(monkeypatch):
    monkeypatch.setattr(subject, "_MAX_WORDS", 1)
    text = "ó ó é éé á \u20ac"
    assert detect(text.encode("cp1252")).encoding == "cp1252"


FAR = {
    "gb18030": ["孩子害怕回家,女孩,昨天晚上父親打了她", "孩子很害怕，不想回家。老师发现她身上有伤", "北京,上海"],
    "big5": ["孩子害怕回家,女孩,昨天晚上父親打了她", "孩子很害怕,不想回家。老師發現她身上有傷"],
    "shift_jis": ["子供は家に帰るのが怖い,女の子"],
    "euc_jp": ["学校でいじめられていると話した"],
    "euc_kr": ["아이가 집에 가기를 무서워한다", "학교에서 친구들이 때렸다고 함"],
    "cp1256": ["الطفل خائف من البيت"],
    "iso8859_6": ["الطفل خائف من البيت"],
    "cp1255": ["הילד מפחד לחזור הביתה"],
    "cp862": ["הילד מפחד לחזור הביתה"],
    "cp874": ["เด็กกลัวกลับบ้าน", "หญิง อายุ ๙ ปี ถูกพ่อตี"],
    "cp737": ["το παιδί κλαίει"],
}


@pytest.mark.parametrize(("codec", "words"), [(codec, words) for codec, many in FAR.items() for words in many])
def test_other_scripts_are_read_as_they_were_written(codec, words):
    data = f"Date,Notes\n2020-01-01,{words}\n".encode(codec) * 20
    assert data.decode(detect(data).encoding).count(words) == 20


def test_what_fits_nothing_asks_for_its_encoding():
    high = bytes(range(128, 256))
    data = b"Date,Notes\n" + b"".join(b"2020-01-01," + high[n::7] + b"\n" for n in range(7))
    with pytest.raises(Invalid, match="encoding_unsure"):
        detect(data)
    assert detect(data, override="latin-1").encoding == "iso8859-1"


@pytest.mark.parametrize("seed", range(3))
def test_bytes_without_sense_are_no_table(seed):
    with pytest.raises(Invalid, match="file_not_a_table"):
        detect(random.Random(seed).randbytes(20_000))

"""For each older encoding, the characters beyond ASCII that its texts use most: what the detection compares with."""

from dataclasses import dataclass

COMMON_BLANKS = " \n\r\u3000\u3001\u3002\uff0c"
"""Characters that nearly every text has, whatever its script."""


@dataclass(frozen=True)
class Alphabet:
    """``common`` characters and the share of all non-ASCII characters they usually make.

    ``accents``: they stand among ASCII letters; ``words``: they make words of their own, in one case.
    """

    common: frozenset[str]
    expected: float = 1.0
    accents: bool = False
    words: bool = False


_QUOTES = "‘’“”–—…«»„‚€£§°•©™®·\u00a0"
_WESTERN = "éèàùâêîôûçëïäöüßñáíóúåøæœãõìòÉÈÀÂÊÎÔÛÇËÏÄÖÜÁÍÓÚÅØÆŒ¡¿"
_CENTRAL = "ąćęłńóśźżĄĆĘŁŃŚŹŻáčďéěíňřšťúůýžÁČÉĚÍŘŠŽőűŐŰöüôľĺŕăâîșțşţđĐ"
_TURKISH = "ışğçöüİŞĞÇÖÜâî"
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёіїє"
_GREEK = "αοιετνσηυρπκμλςωθγδχφβξζψάέήίόύώ"
_HEBREW = "יוהלאמרתבשנםעדחקפכטגצסןזךץף" + "".join(map(chr, [*range(0x5B0, 0x5BD), 0x5C1, 0x5C2]))
_KANA = "".join(map(chr, [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB)])) + "ー、。「」　"
_HANGUL = (
    "이다는을를의에가고하지한은로도기사리나아인자서어해수있그대것시정들과만보라여전일러면게음스했부장었주상성신구제"
)
_HAN = (
    "的一是不了在人有我他这個这们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种"
    "事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公"
    "此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特"
    "代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数安"
    "少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光"
    "這們來爲為國說時會對過發後裏裡種經麼學現當沒動還進樣開實軍無與長機關點業將兩間問應戰頭體見產話內給門兒東聲員論處義幾"
    "認條係氣題變總電數報結務場計資許統區隊決馬書則聽卻達風雲花春秋江河夜君歸樹千萬里陽南北今青玉臺舊深遠寒獨客愁酒路色古"
    "誰未欲盡思夢飛仙松石草葉雨落香清朝朱城百望別離隱曲舞歌琴詩友故鄉征邊塞雪霜寺僧雁孤煙影鳥樓"
)
_HAN_MARKS = "，。、：；？！（）《》“”‘’—…·「」『』　"

BY_ENCODING: dict[str, Alphabet] = {  # where two score alike the first one wins
    "cp1252": Alphabet(frozenset(_WESTERN + _QUOTES), 1.0, accents=True),
    "gb18030": Alphabet(frozenset(_HAN + _HAN_MARKS), 0.5),
    "shift_jis": Alphabet(frozenset(_KANA), 0.6),
    "cp932": Alphabet(frozenset(_KANA), 0.6),
    "euc_jp": Alphabet(frozenset(_KANA), 0.6),
    "big5": Alphabet(frozenset(_HAN + _HAN_MARKS), 0.5),
    "cp949": Alphabet(frozenset(_HANGUL), 0.6),
    "koi8-r": Alphabet(frozenset(_RUSSIAN), 0.93, words=True),
    "cp1251": Alphabet(frozenset(_RUSSIAN), 0.93, words=True),
    "cp866": Alphabet(frozenset(_RUSSIAN), 0.93, words=True),
    "iso8859-5": Alphabet(frozenset(_RUSSIAN), 0.93, words=True),
    "mac-cyrillic": Alphabet(frozenset(_RUSSIAN), 0.93, words=True),
    "cp1250": Alphabet(frozenset(_CENTRAL + _QUOTES), 1.0, accents=True),
    "iso8859-2": Alphabet(frozenset(_CENTRAL + _QUOTES), 1.0, accents=True),
    "cp1254": Alphabet(frozenset(_TURKISH + _QUOTES), 1.0, accents=True),
    "mac-roman": Alphabet(frozenset(_WESTERN + _QUOTES), 1.0, accents=True),
    "cp1253": Alphabet(frozenset(_GREEK), 0.9, words=True),
    "cp1255": Alphabet(frozenset(_HEBREW), 0.9, words=True),
}

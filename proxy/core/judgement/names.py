"""Closed sets of names: languages, programming languages, nations.

Of our own making. Each set answers one question: which of them is meant. Where a nation has an
adjective, both forms are one nation, and the adjective is a language too where one is so called.
"""

from typing import Final

from proxy.core.judgement.words import closed

LANGUAGES: Final = closed(
    "afrikaans albanian amharic arabic armenian azerbaijani basque belarusian bengali bosnian "
    "bulgarian burmese cantonese catalan chinese croatian czech danish dutch english esperanto "
    "estonian farsi filipino finnish flemish french gaelic galician georgian german greek gujarati "
    "hausa hawaiian hebrew hindi hungarian icelandic igbo indonesian irish italian japanese "
    "javanese kannada kazakh khmer korean kurdish kyrgyz lao latin latvian lithuanian "
    "luxembourgish macedonian malay malayalam maltese mandarin maori marathi mongolian nepali "
    "norwegian pashto persian polish portuguese punjabi quechua romanian russian samoan sanskrit "
    "serbian sinhala slovak slovene slovenian somali spanish swahili swedish tagalog tajik tamil "
    "tatar telugu thai tibetan turkish turkmen ukrainian urdu uzbek vietnamese welsh yiddish "
    "yoruba zulu"
)
SPOKEN_ELSEWHERE: Final = {"mandarin": "chinese", "farsi": "persian", "slovene": "slovenian"}

CODE_LANGUAGES: Final = {
    form: name
    for name, forms in {
        "python": "python py python3 python2",
        "javascript": "javascript js ecmascript",
        "typescript": "typescript ts",
        "java": "java",
        "c": "c",
        "c++": "c++ cpp cplusplus",
        "c#": "c# csharp",
        "f#": "f# fsharp",
        "objective-c": "objective-c objc",
        "go": "golang go",
        "rust": "rust",
        "ruby": "ruby",
        "php": "php",
        "perl": "perl",
        "raku": "raku",
        "r": "r",
        "julia": "julia",
        "matlab": "matlab",
        "octave": "octave",
        "scala": "scala",
        "kotlin": "kotlin",
        "swift": "swift",
        "dart": "dart",
        "elixir": "elixir",
        "erlang": "erlang",
        "haskell": "haskell",
        "ocaml": "ocaml",
        "clojure": "clojure",
        "lisp": "lisp",
        "scheme": "scheme",
        "prolog": "prolog",
        "lua": "lua",
        "groovy": "groovy",
        "fortran": "fortran",
        "cobol": "cobol",
        "pascal": "pascal",
        "delphi": "delphi",
        "ada": "ada",
        "assembly": "assembly assembler",
        "bash": "bash",
        "zsh": "zsh",
        "powershell": "powershell",
        "sql": "sql",
        "vba": "vba",
        "vb": "vb vbnet visualbasic",
        "html": "html",
        "css": "css",
        "zig": "zig",
        "nim": "nim",
        "crystal": "crystal",
        "solidity": "solidity",
    }.items()
    for form in forms.split()
}
FAINT_CODE: Final = closed(
    "c go r swift rust ruby scheme dart julia ada crystal pascal octave assembly basic groovy"
)
"""Also ordinary words or names: a language only with a capital, or after in, with or using."""

_NATIONS: Final = """
afghanistan afghan; albania albanian; algeria algerian; angola angolan; argentina argentine
argentinian; armenia armenian; australia australian aussie; austria austrian; azerbaijan
azerbaijani; bangladesh bangladeshi; belarus belarusian; belgium belgian; bolivia bolivian;
bosnia bosnian; botswana; brazil brazilian; bulgaria bulgarian; burma burmese myanmar; cambodia
cambodian; cameroon cameroonian; canada canadian; chile chilean; china chinese; colombia
colombian; croatia croatian; cuba cuban; cyprus cypriot; czechia czech; denmark danish; ecuador
ecuadorian; egypt egyptian; england english; estonia estonian; ethiopia ethiopian; finland
finnish; france french; georgia georgian; germany german; ghana ghanaian; greece greek;
guatemala guatemalan; haiti haitian; honduras honduran; hungary hungarian; iceland icelandic;
india indian; indonesia indonesian; iran iranian; iraq iraqi; ireland irish; israel israeli;
italy italian; jamaica jamaican; japan japanese; jordan jordanian; kazakhstan kazakh; kenya
kenyan; korea korean; kuwait kuwaiti; kyrgyzstan kyrgyz; laos laotian; latvia latvian; lebanon
lebanese; libya libyan; lithuania lithuanian; luxembourg; madagascar malagasy; malaysia
malaysian; mali malian; malta maltese; mexico mexican; moldova moldovan; mongolia mongolian;
montenegro montenegrin; morocco moroccan; mozambique mozambican; namibia namibian; nepal
nepalese nepali; netherlands dutch holland; nicaragua nicaraguan; nigeria nigerian; norway
norwegian; oman omani; pakistan pakistani; palestine palestinian; panama panamanian; paraguay
paraguayan; peru peruvian; philippines filipino; poland polish; portugal portuguese; qatar
qatari; romania romanian; russia russian; rwanda rwandan; scotland scottish; senegal senegalese;
serbia serbian; singapore singaporean; slovakia slovak; slovenia slovenian; somalia somali;
spain spanish; sudan sudanese; sweden swedish; switzerland swiss; syria syrian; taiwan
taiwanese; tajikistan tajik; tanzania tanzanian; thailand thai; tibet tibetan; tunisia tunisian;
turkey turkish; turkmenistan turkmen; uganda ugandan; ukraine ukrainian; uruguay uruguayan;
uzbekistan uzbek; venezuela venezuelan; vietnam vietnamese; wales welsh; yemen yemeni; zambia
zambian; zimbabwe zimbabwean; africa african; america american; asia asian; europe european
"""

NATIONS: Final = {form: line.split()[0] for line in _NATIONS.split(";") for form in line.split()}
"""Nation or continent by its own name and its adjective."""

LONG_NATIONS: Final = {
    ("united", "kingdom"): "britain",
    ("great", "britain"): "britain",
    ("united", "states"): "america",
    ("south", "africa"): "south africa",
    ("south", "african"): "south africa",
    ("new", "zealand"): "new zealand",
    ("saudi", "arabia"): "saudi arabia",
    ("sri", "lanka"): "sri lanka",
    ("costa", "rica"): "costa rica",
    ("hong", "kong"): "hong kong",
    ("north", "korea"): "north korea",
    ("south", "korea"): "south korea",
    ("el", "salvador"): "el salvador",
    ("czech", "republic"): "czechia",
}
SHORT_NATIONS: Final = {
    "uk": "britain",
    "britain": "britain",
    "british": "britain",
    "usa": "america",
    "uae": "emirates",
    "emirates": "emirates",
}

FILE_EXTENSIONS: Final = closed(
    "txt md rst csv tsv json jsonl yaml yml toml ini cfg conf env log xml html htm css js jsx ts "
    "tsx py ipynb java kt c h cpp hpp cs go rs rb php pl lua r swift scala sh bash zsh ps1 bat sql "
    "db sqlite pdf doc docx xls xlsx ppt pptx odt png jpg jpeg gif svg webp bmp tiff mp3 mp4 wav "
    "avi mov mkv zip gz tgz bz2 xz tar rar 7z exe dll so jar war whl deb rpm dmg iso apk lock pem "
    "key crt"
)

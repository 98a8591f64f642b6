"""Units of measure and currencies, each form with its canonical name.

Of our own making. A faint form is also an ordinary word or a letter: it is a unit only straight
after a number. All other forms are units wherever they stand, since "in kilometres" asks for one.
"""

from typing import Final

_FORMS: Final = {
    # length
    "kilometre": "km kms kilometre kilometres kilometer kilometers",
    "metre": "metre metres meter meters mtr",
    "centimetre": "cm cms centimetre centimetres centimeter centimeters",
    "millimetre": "mm millimetre millimetres millimeter millimeters",
    "micrometre": "micrometre micrometres micrometer micrometers micron microns",
    "nanometre": "nm nanometre nanometres nanometer nanometers",
    "mile": "mile miles mi",
    "nautical mile": "nmi",
    "yard": "yards yd yds",
    "foot": "feet ft",
    "inch": "inch inches",
    "light-year": "lightyear lightyears",
    "parsec": "parsec parsecs",
    # area, volume
    "hectare": "hectare hectares",
    "acre": "acre acres",
    "square metre": "m2 sqm",
    "square kilometre": "km2 sqkm",
    "square foot": "ft2 sqft",
    "square mile": "mi2",
    "cubic metre": "m3",
    "cubic centimetre": "cm3 cc",
    "litre": "litre litres liter liters ltr",
    "millilitre": "ml millilitre millilitres milliliter milliliters",
    "gallon": "gallon gallons gal",
    "pint": "pint pints",
    "quart": "quart quarts",
    "fluid ounce": "floz",
    "tablespoon": "tablespoon tablespoons tbsp",
    "teaspoon": "teaspoon teaspoons tsp",
    # mass
    "kilogram": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
    "gram": "gram grams gramme grammes",
    "milligram": "mg milligram milligrams",
    "microgram": "mcg microgram micrograms",
    "tonne": "tonne tonnes",
    "ton": "ton tons",
    "pound mass": "lb lbs",
    "pound": "pounds",
    "ounce": "ounce ounces oz",
    # temperature
    "celsius": "celsius centigrade",
    "fahrenheit": "fahrenheit",
    "kelvin": "kelvin kelvins",
    # time
    "second": "seconds sec secs",
    "millisecond": "ms millisecond milliseconds",
    "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs hourly",
    "day": "day days daily",
    "week": "week weeks weekly",
    "fortnight": "fortnight fortnightly",
    "month": "month months monthly",
    "quarter": "quarterly",
    "year": "year years yr yrs yearly annual annually annum",
    "decade": "decade decades",
    "century": "century centuries",
    # data
    "bit": "bits",
    "byte": "byte bytes",
    "kilobyte": "kb kilobyte kilobytes kib",
    "megabyte": "mb megabyte megabytes mib",
    "gigabyte": "gb gigabyte gigabytes gib",
    "terabyte": "tb terabyte terabytes tib",
    "petabyte": "pb petabyte petabytes",
    "megabit": "mbps megabit megabits",
    "gigabit": "gbps gigabit gigabits",
    # physics
    "watt": "watt watts",
    "kilowatt": "kw kilowatt kilowatts",
    "megawatt": "mw megawatt megawatts",
    "kilowatt hour": "kwh",
    "joule": "joule joules",
    "kilojoule": "kj kilojoule kilojoules",
    # Food is counted in kilocalories, and called calories.
    "calorie": "calorie calories cal cals kcal kilocalorie kilocalories",
    "horsepower": "hp bhp horsepower",
    "volt": "volt volts",
    "ampere": "ampere amperes amp amps",
    "milliamp hour": "mah",
    "ohm": "ohm ohms",
    "hertz": "hz hertz",
    "kilohertz": "khz",
    "megahertz": "mhz",
    "gigahertz": "ghz",
    "pascal": "pascal pascals",
    "kilopascal": "kpa kilopascal kilopascals",
    "psi": "psi",
    "atmosphere": "atm",
    "millimetre of mercury": "mmhg",
    "newton": "newtons",
    "decibel": "db decibel decibels",
    "radian": "radian radians rad",
    "mole": "moles mol",
    "kilometre+hour": "kmh kph",
    "mile+hour": "mph",
    "knot": "knots",
    "litre per 100 kilometre": "l100km",
    "mile+gallon": "mpg",
    "pixel": "px pixel pixels",
    "gas mark": "gasmark",
    # counted text
    "word": "words",
    "page": "pages",
    "paragraph": "paragraphs paragraph",
    "sentence": "sentences sentence",
    "line": "lines",
    # shares and money
    "percent": "percent percentage pct %",
    "dollar": "dollar dollars usd bucks $",
    "euro": "euro euros eur €",
    "pound sterling": "gbp sterling £ quid",
    "yen": "yen jpy ¥",
    "yuan": "yuan cny rmb renminbi",
    "rupee": "rupee rupees inr rs ₹",
    "franc": "chf francs",
    "rouble": "rouble roubles ruble rubles rub",
    "won": "krw",
    "real": "brl reais",
    "peso": "peso pesos mxn",
    "canadian dollar": "cad",
    "australian dollar": "aud",
    "krona": "sek krona kronor",
    "krone": "nok dkk krone kroner",
    "zloty": "zloty pln",
    "lira": "lira liras",
    "dirham": "dirham dirhams aed",
    "bitcoin": "btc",
    "ether": "eth",
    "cent": "cents ¢",
}

_FAINT_FORMS: Final = {
    "metre": "m",
    "gram": "g",
    "litre": "l",
    "second": "s second",
    "hour": "h",
    "watt": "w",
    "volt": "v",
    "ampere": "a",
    "joule": "j",
    "newton": "n",
    "celsius": "c",
    "fahrenheit": "f",
    "kelvin": "k",
    "inch": "in",
    "foot": "foot",
    "yard": "yard",
    "bit": "bit",
    "pound": "pound",
    "stone": "stone stones",
    "bar": "bar",
    "cent": "cent",
    "quarter": "quarter quarters",
    "page": "page",
    "word": "word",
    "line": "line",
    "real": "real",
    "knot": "knot",
}

UNITS: Final = {form: unit for unit, forms in _FORMS.items() for form in forms.split()}
FAINT_UNITS: Final = {form: unit for unit, forms in _FAINT_FORMS.items() for form in forms.split()}

POUNDS: Final = frozenset({"pound", "pound mass", "pound sterling"})
"""The word alone may be of either, the others never of one another."""

COMPOUND_HEADS: Final = {"square": "square", "sq": "square", "cubic": "cubic", "cu": "cubic"}
"""`square kilometre` is one unit."""

ASKING: Final = frozenset({"in", "per", "to", "into", "a", "each", "every", "square", "cubic"})
"""A faint word counts after these too: `price per pound`, `what is it in bar`."""

GLUED_ONLY: Final = frozenset({"a", "s", "h", "n", "j", "k", "c", "f", "in"})
"""These faint forms must touch the number: `5 in 10 people` measures nothing."""

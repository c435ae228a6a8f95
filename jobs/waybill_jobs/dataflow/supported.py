"""What this interpreter runs: supported.json is the list by names as scripts write them; validation reads the same."""

import json
from importlib.resources import files

from waybill_jobs.dataflow.functions import COMPARISONS, CONVERSIONS, TEMPLATES, TESTS, VARIADIC

#: Functions that expressions.py, conversions.py, names.py and higher_order.py know by name, in lower case.
_OTHERS = """
add minus multiply divide mod md5 sha1 sha2 crc32 case count countdistinct countalldistinct isdistinct adddays
subdays addmonths submonths currenttimestamp currentutc currentdate type typematch ismatch isinsert isupdate isdelete
isupsert isignore associate todecimal todate totimestamp tostring toboolean tobinary isboolean isfloat isdouble isdecimal
isdate istimestamp isstring map filter find contains mapindex reduce sort mapif byname tobyname bynames byposition
hascolumn columnnames getcolumnnames columns
""".split()

KNOWN = {*TEMPLATES, *VARIADIC, *CONVERSIONS, *TESTS, *_OTHERS, *(n for n in COMPARISONS if n.isalpha())}


def supported() -> dict[str, list[str]]:
    """`transformations` and `functions`."""
    text = files("waybill_jobs.dataflow").joinpath("supported.json").read_text("utf-8")
    found: dict[str, list[str]] = json.loads(text)
    return found

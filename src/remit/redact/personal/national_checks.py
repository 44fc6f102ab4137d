"""Check digits of national numbers. Each takes the number without joints, in upper case, of the form in the table.

The table (``data/national.toml``) names the formula of each row and where it is published.
"""

from __future__ import annotations

from collections.abc import Callable

from remit.redact.personal.digits import dated, ean, luhn, mod11_10, short_date, verhoeff, weighted

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PPS = "WABCDEFGHIJKLMNOPQRSTUV"
# Decreto ministeriale 23/12/1976: what characters in odd places count.
_CODICE = dict(
    zip(
        "0123456789" + _LETTERS,
        (
            *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14),
            *(16, 10, 22, 25, 24, 23),
        ),
        strict=True,
    )
)
_OMOCODIA = str.maketrans("LMNPQRSTUV", "0123456789")
_CURP = "0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ"
_RFC = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ \u00d1"


def _last(number: str, weights: tuple[int, ...], modulus: int, *, of: int = 0, ten: int = 0) -> bool:
    """Whether the last digit is ``of`` minus the weighted sum (``of`` 0: the sum itself), modulo; 10 is ``ten``."""
    rest = weighted(number, weights) % modulus
    check = (of - rest) % modulus if of else rest
    return int(number[-1]) == (ten if check == 10 else check)  # noqa: PLR2004 - what no single digit can say


def _us_bank_routing(n: str) -> bool:
    return weighted(n, (3, 7, 1) * 3) % 10 == 0 and (
        int(n[:2]) <= 12 or 21 <= int(n[:2]) <= 32 or 61 <= int(n[:2]) <= 72 or n[:2] == "80"  # noqa: PLR2004
    )


def _us_npi(n: str) -> bool:
    return luhn("80840" + n)


def _gb_nhs(n: str) -> bool:
    return _last(n, (10, 9, 8, 7, 6, 5, 4, 3, 2), 11, of=11, ten=-1)


def _de_tax(n: str) -> bool:
    repeats = sorted((n[:-1].count(each) for each in set(n[:-1])), reverse=True)
    return mod11_10(n) and repeats[0] in {2, 3} and repeats.count(repeats[0]) == 1


def _fr_nir(n: str) -> bool:
    body = (
        n[:-2].replace("2A", "19", 1) if n[5:7] == "2A" else n[:-2].replace("2B", "18", 1) if n[5:7] == "2B" else n[:-2]
    )
    return 97 - int(body) % 97 == int(n[-2:])


def _es_dni(n: str) -> bool:
    return _DNI[int(n[:8]) % 23] == n[8]


def _es_nie(n: str) -> bool:
    return _es_dni(str("XYZ".index(n[0])) + n[1:])


def _it_codice(n: str) -> bool:
    total = sum(
        int(each, 36) - (10 if each.isalpha() else 0) if index % 2 else _CODICE[each]
        for index, each in enumerate(n[:15])
    )
    day = int(n[9:11].translate(_OMOCODIA))
    return _LETTERS[total % 26] == n[15] and (1 <= day <= 31 or 41 <= day <= 71)  # noqa: PLR2004 - days; women's are 40 more


def _nl_bsn(n: str) -> bool:
    n = n.zfill(9)
    return (weighted(n[:8], (9, 8, 7, 6, 5, 4, 3, 2)) - int(n[8])) % 11 == 0 and n != "000000000"


def _be_national(n: str) -> bool:
    check = int(n[9:])
    return check in {97 - int(n[:9]) % 97, 97 - int("2" + n[:9]) % 97} and int(n[2:4]) % 20 <= 12  # noqa: PLR2004 - months


def _pl_pesel(n: str) -> bool:
    month = int(n[2:4])
    return _last(n, (1, 3, 7, 9) * 2 + (1, 3), 10, of=10) and short_date(n[4:6], str(month % 20), n[:2])


def _se_personal(n: str) -> bool:
    n = n[-10:]
    return luhn(n) and short_date(str(int(n[4:6]) % 60), n[2:4], n[:2])


def _no_birth(n: str) -> bool:
    day = int(n[:2]) % 40
    return (
        short_date(str(day), str(int(n[2:4]) % 40), n[4:6])
        and weighted(n, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def _dk_cpr(n: str) -> bool:
    return short_date(n[:2], n[2:4], n[4:6])


def _fi_hetu(n: str) -> bool:
    return _HETU[int(n[:6] + n[-4:-1]) % 31] == n[-1] and short_date(n[:2], n[2:4], n[4:6])


def _is_kennitala(n: str) -> bool:
    return weighted(n, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _pt_nif(n: str) -> bool:
    return _last(n, (9, 8, 7, 6, 5, 4, 3, 2), 11, of=11)


def _ro_cnp(n: str) -> bool:
    return _last(n, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9), 11, ten=1) and short_date(n[5:7], n[3:5], n[1:3])


def _cz_birth(n: str) -> bool:
    month = int(n[2:4]) % 50
    month -= 20 if month > 20 else 0  # noqa: PLR2004 - a month is raised by 20 when a day's numbers run out
    if not short_date(n[4:6], str(month), n[:2]):
        return False
    if len(n) == 9:  # noqa: PLR2004 - before 1954, without a check digit
        return n[:2] < "54" and n[6:] != "000"
    return int(n[:9]) % 11 % 10 == int(n[9])


def _hu_taj(n: str) -> bool:
    return _last(n, (3, 7) * 4, 10)


def _hu_tax(n: str) -> bool:
    return _last(n, (1, 2, 3, 4, 5, 6, 7, 8, 9), 11, ten=-1)


def _at_insurance(n: str) -> bool:
    return weighted(n, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(n[3])


def _ie_pps(n: str) -> bool:
    extra = 0 if len(n) == 8 or n[8] == "W" else ord(n[8]) - 64  # noqa: PLR2004 - one letter
    return _PPS[(weighted(n, (8, 7, 6, 5, 4, 3, 2)) + 9 * extra) % 23] == n[7]


def _ca_sin(n: str) -> bool:
    return luhn(n)


def _br_cpf(n: str) -> bool:
    return (
        len(set(n)) > 1
        and _last(n[:10], (10, 9, 8, 7, 6, 5, 4, 3, 2), 11, of=11)
        and _last(n, (11, 10, 9, 8, 7, 6, 5, 4, 3, 2), 11, of=11)
    )


def _br_cnpj(n: str) -> bool:
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return len(set(n)) > 1 and _last(n[:13], weights[1:], 11, of=11) and _last(n, weights, 11, of=11)


def _mx_curp(n: str) -> bool:
    total = sum(_CURP.index(each) * (18 - index) for index, each in enumerate(n[:17]))
    return str(-total % 10) == n[17] and short_date(n[8:10], n[6:8], n[4:6])


def _mx_rfc(n: str) -> bool:
    total = sum(_RFC.index(each) * (13 - index) for index, each in enumerate(n[:12]))
    check = -total % 11
    return ("A" if check == 10 else str(check)) == n[12] and short_date(n[8:10], n[6:8], n[4:6])  # noqa: PLR2004


def _ar_cuit(n: str) -> bool:
    return _last(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11, of=11, ten=9)


def _cl_rut(n: str) -> bool:
    total = sum(int(each) * (2 + index % 6) for index, each in enumerate(reversed(n[:-1])))
    return "0123456789K0"[(11 - total % 11) % 11] == n[-1]


def _ec_cedula(n: str) -> bool:
    return luhn(n) and 1 <= int(n[:2]) <= 24  # noqa: PLR2004 - provinces


def _au_tfn(n: str) -> bool:
    weights = (10, 7, 8, 4, 6, 3, 5, 1) if len(n) == 8 else (1, 4, 3, 7, 5, 8, 6, 9, 10)  # noqa: PLR2004 - the older ones
    return weighted(n, weights) % 11 == 0


def _au_medicare(n: str) -> bool:
    return weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(n[8])


def _au_abn(n: str) -> bool:
    return weighted(str(int(n[0]) - 1) + n[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def _nz_ird(n: str) -> bool:
    n = n.zfill(9)
    for weights in ((3, 2, 7, 6, 5, 4, 3, 2), (7, 4, 3, 2, 5, 2, 7, 6)):
        check = -weighted(n, weights) % 11
        if check != 10:  # noqa: PLR2004 - then the second weights decide
            return check == int(n[8])
    return False


def _in_aadhaar(n: str) -> bool:
    return verhoeff(n) and n != n[::-1]


def _cn_resident(n: str) -> bool:
    rest = weighted(n[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    return "10X98765432"[rest] == n[17] and dated(int(n[6:10]), int(n[10:12]), int(n[12:14]))


def _jp_my_number(n: str) -> bool:
    rest = weighted(n, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(n[11]) == (0 if rest <= 1 else 11 - rest)


def _kr_resident(n: str) -> bool:
    return _last(n, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), 11, of=11) and short_date(n[4:6], n[2:4], n[:2])


def _kr_date(n: str) -> bool:
    return short_date(n[4:6], n[2:4], n[:2])


def _za_id(n: str) -> bool:
    return luhn(n) and short_date(n[4:6], n[2:4], n[:2]) and n[10] in "012"


def _il_id(n: str) -> bool:
    return luhn(n.zfill(9)) and int(n) > 0


def _tr_tckn(n: str) -> bool:
    odd, even = sum(map(int, n[0:9:2])), sum(map(int, n[1:8:2]))
    return (odd * 7 - even) % 10 == int(n[9]) and sum(map(int, n[:10])) % 10 == int(n[10])


def _sg_nric(n: str) -> bool:
    rest = weighted(n[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(n[0], 0)
    table = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}[n[0]]
    return table[rest % 11 if n[0] != "M" else 10 - rest % 11] == n[8]


def _hk_id(n: str) -> bool:
    body = n[:-1].rjust(8)
    values = (36 if each == " " else int(each, 36) for each in body)
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11] == n[-1]


def _tw_id(n: str) -> bool:
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(n[0]) + 10
    return (place // 10 + place % 10 * 9 + weighted(n[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _th_citizen(n: str) -> bool:
    return _last(n, (13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2), 11, of=11, ten=0) or (
        (11 - weighted(n, (13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 10 == int(n[12])
    )


def _my_date(n: str) -> bool:
    return short_date(n[4:6], n[2:4], n[:2])


def _gr_amka(n: str) -> bool:
    return luhn(n) and short_date(n[:2], n[2:4], n[4:6])


def _gr_afm(n: str) -> bool:
    return weighted(n, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(n[8])


def _hr_oib(n: str) -> bool:
    return mod11_10(n)


def _yu_jmbg(n: str) -> bool:
    return _last(n, (7, 6, 5, 4, 3, 2) * 2, 11, of=11) and short_date(n[:2], n[2:4], n[5:7])


def _bg_egn(n: str) -> bool:
    month = int(n[2:4]) % 20
    return _last(n, (2, 4, 8, 5, 10, 9, 7, 3, 6), 11) and short_date(n[4:6], str(month), n[:2])


def _baltic(n: str) -> bool:
    first = weighted(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    second = weighted(n, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11
    check = first if first < 10 else second % 10  # noqa: PLR2004 - then the second weights decide
    return check == int(n[10]) and short_date(n[5:7], n[3:5], n[1:3])


def _lv_personal(n: str) -> bool:
    return n[:2] == "32" or (
        (1 + weighted(n, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == int(n[10]) and short_date(n[:2], n[2:4], n[4:6])
    )


def _ua_tax(n: str) -> bool:
    return weighted(n, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(n[9])


def _ru_snils(n: str) -> bool:
    return weighted(n, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 101 % 100 == int(n[9:])


def _ru_inn(n: str) -> bool:
    first = weighted(n, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = weighted(n, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return (first, second) == (int(n[10]), int(n[11]))


def _ch_ahv(n: str) -> bool:
    return ean(n)


#: The formulas by the names that the table uses.
CHECKS: dict[str, Callable[[str], bool]] = {
    check.__name__.removeprefix("_"): check
    for check in (
        *(_us_bank_routing, _us_npi, _gb_nhs, _de_tax, _fr_nir, _es_dni, _es_nie, _it_codice, _nl_bsn),
        *(_be_national, _pl_pesel, _se_personal, _no_birth, _dk_cpr, _fi_hetu, _is_kennitala, _pt_nif),
        *(_ro_cnp, _cz_birth, _hu_taj, _hu_tax, _at_insurance, _ie_pps, _ca_sin, _br_cpf, _br_cnpj),
        *(_mx_curp, _mx_rfc, _ar_cuit, _cl_rut, _ec_cedula, _au_tfn, _au_medicare, _au_abn, _nz_ird),
        *(_in_aadhaar, _cn_resident, _jp_my_number, _kr_resident, _kr_date, _za_id, _il_id, _tr_tckn),
        *(_sg_nric, _hk_id, _tw_id, _th_citizen, _my_date, _gr_amka, _gr_afm, _hr_oib, _yu_jmbg, _bg_egn),
        *(_baltic, _lv_personal, _ua_tax, _ru_snils, _ru_inn, _ch_ahv),
    )
}

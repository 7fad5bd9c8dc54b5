"""Function classes say what a call of each engine function may make of what goes in.

A function that is in no class is new to us: statements that name it run apart until somebody has looked at it.
The sweep in `tests/faults` tries each of them, as this table and as the engine has it.
"""

from __future__ import annotations

from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What comes out has a width of its own: numbers, times, truth values, digests.
FIXED: Final = _names("""
abs acos acosh ascii asin asinh atan atan2 atanh avg bit_and bit_length bit_or bit_xor bool_and bool_or cardinality cbrt
ceil char_length character_length chr contains corr cos cosh cosine_distance cot count covar covar_pop covar_samp
cume_dist current_date current_time current_timestamp date_bin date_part date_trunc datepart datetrunc degrees
dense_rank digest dot_product empty ends_with exp factorial file_row_index find_in_set floor from_unixtime gcd grouping
inner_product input_file_name instr isnan iszero lcm length ln log log10 log2 make_date make_time md5 nanvl ntile now
octet_length percent_rank pi position pow power radians rand random rank regr_avgx regr_avgy regr_count regr_intercept
regr_r2 regr_slope regr_sxx regr_sxy regr_syy round row_number sha224 sha256 sha384 sha512 signum sin sinh sqrt
starts_with stddev stddev_pop stddev_samp strpos sum tan tanh to_date to_hex to_local_time to_time to_timestamp
to_timestamp_micros to_timestamp_millis to_timestamp_nanos to_timestamp_seconds to_unixtime today trunc union_tag uuid
var var_pop var_population var_samp var_sample version approx_distinct
array_avg array_contains array_distance array_empty array_has array_indexof array_length array_ndims array_position
array_product array_sum list_avg list_contains list_distance list_empty list_has list_indexof list_length list_ndims
list_position list_product list_sum arrow_typeof array_dims list_dims
""")
# As much as goes in, or less.
PASSING: Final = _names("""
any_value approx_median arrow_field arrow_metadata array_agg array_add array_any_value array_compact array_distinct
array_element array_except array_extract array_intersect array_max array_min array_normalize array_pop_back
array_pop_front array_positions array_remove array_remove_all array_remove_n array_reverse array_scale array_slice
array_sort array_subtract array_union coalesce decode element_at encode first_value flatten get_field greatest
ifnull initcap lag last_value lead least left list_add list_any_value list_compact list_distinct list_element
list_except list_extract list_intersect list_max list_min list_normalize list_pop_back list_pop_front list_positions
list_remove list_remove_all list_remove_n list_reverse list_scale list_slice list_sort list_subtract list_union lower
map_entries map_extract map_keys map_values max mean median min nth_value nullif nvl nvl2 percentile_cont
quantile_cont reverse right split_part string_to_array string_to_list substr substr_index substring
substring_index union_extract upper with_metadata
""")
# All that goes in, side by side: the same column named often is there as often.
JOINING: Final = _names("""
array_append array_cat array_concat array_prepend array_push_back array_push_front arrays_zip concat concat_ws
list_append list_cat list_concat list_prepend list_push_back list_push_front list_zip make_array make_list map
named_struct overlay row struct ||
""")
# One argument times another: bounded where all but the first are short literals.
MULTIPLYING: Final = _names("""
array_join array_replace array_replace_all array_replace_n array_to_string date_format list_join list_replace
list_replace_all list_replace_n list_to_string regexp_count regexp_instr regexp_like regexp_match regexp_replace replace
string_agg to_char translate btrim ltrim rtrim trim
""")
# As much as a number says: bounded where that is a small literal. Name -> which argument.
COUNTED: Final = {
    "approx_percentile_cont": 2,
    "approx_percentile_cont_with_weight": 3,
    "array_repeat": 1,
    "array_resize": 1,
    "list_repeat": 1,
    "list_resize": 1,
    "lpad": 1,
    "repeat": 1,
    "rpad": 1,
}
# Types are read from a text; which ones are too wide shows in the text of the plan.
CASTING: Final = _names("arrow_cast arrow_try_cast cast_to_type try_cast_to_type")
# Work or rows that nothing in the plan bounds.
APART: Final = _names("""
array_has_all array_has_any arrays_overlap generate_series levenshtein list_has_all list_has_any range unnest
""")
KNOWN: Final = FIXED | PASSING | JOINING | MULTIPLYING | COUNTED.keys() | CASTING | APART
# Statements that name none but these need no closer look.
PLAIN: Final = FIXED | PASSING

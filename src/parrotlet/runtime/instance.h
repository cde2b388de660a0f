/* Compiles the whole engine for the instruction set that kernel.c has just described, then forgets the description. */
#include "vector.h"
#include "product.h"

#include "cells.h"
#include "layers.h"
#include "rules.h"
#include "engine.h"

#undef NAME
#undef TARGET
#undef FUSED
#undef TANGENT_LIMIT
#undef LANES
#undef WIDE
#undef VECTOR
#undef LOAD
#undef STORE
#undef BROADCAST
#undef MULTIPLY_ADD
#undef MULTIPLY
#undef MAXIMUM
#undef ADD_WHERE_AT_LEAST
#undef COUNT_AT_LEAST
#undef LANE_SUM
#undef LANE_MAXIMUM
#undef INTEGERS
#undef OFFSET
#undef NO_INTEGERS
#undef LOAD_INTEGERS
#undef BROADCAST_FOUR
#undef ADD_PRODUCTS
#undef FLOATS
#undef UNIT
#undef UNIT_VECTORS
#undef ONE_ROW
#undef ROWS_TOGETHER

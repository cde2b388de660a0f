/* Compiles the whole engine for the instruction set that kernel.c has just described, then forgets the description. */
#include "vector.h"

#include "cells.h"
#include "layers.h"
#include "rules.h"
#include "engine.h"

#undef NAME
#undef TARGET
#undef FUSED
#undef LANES
#undef WIDE
#undef VECTOR
#undef LOAD
#undef STORE
#undef BROADCAST
#undef MULTIPLY_ADD
#undef MAXIMUM
#undef ADD_WHERE_AT_LEAST
#undef UNIT
#undef UNIT_VECTORS
#undef ONE_ROW
#undef ROWS_TOGETHER

/* What enters an LSTM or a GRU and the weights come in; what leaves it, and on the way back all gradients, go out.
 *
 * Included once for each arithmetic. All arrays are cut by row: a call works on the rows [first, last) and nothing else,
 * so threads need no barrier.
 *
 * A tile is LANES units with their four sums, 4 * LANES columns: one block of products ends in finished cells. Formulas:
 * Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000); Cho et al. 2014, reset after the product; both
 * as torch has them. A quarter of a GRU's weights is zero: what enters n and what n remembers share one shape. */

/* The powers of two are those of e: x log2(e), and twice that. */
INLINE TARGET VECTOR NAME(sigmoid)(VECTOR x) {
    return SHARE(MUL(x, SET(-1.44269504f)));
}

INLINE TARGET VECTOR NAME(tangent)(VECTOR x) {
    return FMA(SET(2.0f), SHARE(MUL(x, SET(-2.88539008f))), SET(-1.0f));
}

/* The step that is read as number `index`. */
#define STEP(call, index) ((call)->reverse ? (call)->steps - 1 - (index) : (index))
#define ABSOLUTE(v) MAX(v, SUB(SET(0.0f), v))

/* Where the cells of one row's tile are kept, (…, H / LANES, B, LANES): threads write and read them in order. */
INLINE int64_t NAME(slot)(int64_t rows, int64_t units, int64_t index, int64_t tile, int64_t row) {
    return (index * units + tile * LANES) * rows + row * LANES;
}

/* One tile of `rows` rows at one step. */
INLINE TARGET void NAME(cells)(const recurrent_forward *call, const NUMBER *weights, int64_t tile, int64_t index,
                               int64_t row, int from_nothing, const int rows) {
    const int64_t units = call->units, column = tile * LANES, step = STEP(call, index);
    const NUMBER *hidden[MOST_ROWS], *entering[MOST_ROWS];
    NUMBER *after = (NUMBER *)call->hidden + ((index + 1) * call->rows + row) * units + column;
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        const int64_t place = (row + r) * call->steps + step;
        const float *start = call->table + call->ids[place] * 4 * units + tile * TILE;
        hidden[r] = (const NUMBER *)call->hidden + (index * call->rows + row + r) * units;
        entering[r] = (const NUMBER *)call->entering + place * call->inputs;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = LOAD(start + j * LANES);
    }
    if (!from_nothing) NAME(multiply)(weights, units, rows, hidden, sums);
    NAME(multiply)(weights + units * TILE, call->inputs, rows, entering, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        const float *cell = call->cells + NAME(slot)(call->rows, units, index, tile, row + r);
        VECTOR gate[4], kept, leaving;
        gate[0] = NAME(sigmoid)(sums[r][0]);
        gate[1] = NAME(sigmoid)(sums[r][1]);
        if (call->gru) {
            gate[2] = NAME(tangent)(FMA(gate[0], sums[r][3], sums[r][2]));
            gate[3] = sums[r][3];
            kept = leaving = FMA(gate[1], SUB(LOAD(cell), gate[2]), gate[2]);
        } else {
            gate[2] = NAME(tangent)(sums[r][2]);
            gate[3] = NAME(sigmoid)(sums[r][3]);
            kept = FMA(gate[1], LOAD(cell), MUL(gate[0], gate[2]));
            leaving = MUL(gate[3], NAME(tangent)(kept));
        }
        STORE(call->cells + NAME(slot)(call->rows, units, index + 1, tile, row + r), kept);
        STORE_NUMBERS(after + r * units, leaving);
        if (call->leaving)
            STORE_NUMBERS((NUMBER *)call->leaving + ((row + r) * call->steps + step) * units + column, leaving);
        if (call->gates) {
            SMALL *gates = (SMALL *)call->gates + NAME(slot)(call->rows, units, index, tile, row + r) * 4;
            UNROLL
            for (j = 0; j < 4; j++) STORE_SMALL(gates + j * LANES, gate[j]);
        }
    }
}

INLINE int NAME(all_zero)(const NUMBER *numbers, int64_t count) {
    int64_t k;
    for (k = 0; k < count; k++)
        if (numbers[k]) return 0;
    return 1;
}

static TARGET void NAME(forward)(const recurrent_forward *call, int64_t first, int64_t last) {
    const int64_t tiles = call->units / LANES, depth = call->units + call->inputs;
    const NUMBER *begin = (const NUMBER *)call->hidden + first * call->units;
    const int nothing = NAME(all_zero)(begin, (last - first) * call->units);
    int64_t index, tile, row, count;
    for (index = 0; index < call->steps; index++) {
        for (tile = 0; tile < tiles; tile++) {
            const NUMBER *weights = (const NUMBER *)call->weights + tile * depth * TILE;
            for (row = first; row < last; row += count) {
                count = NAME(together)(last - row);
                BY_COUNT(count, NAME(cells), call, weights, tile, index, row, nothing && !index)
            }
        }
    }
}

/* The first step of the rows [first, last) at which a gradient comes in, as the number under which it is read. */
static int64_t NAME(first_given)(const recurrent_backward *call, int64_t first, int64_t last) {
    const uint64_t unsigned_bits = sizeof(NUMBER) == 2 ? 0x7fff7fff7fff7fff : 0x7fffffff7fffffff;
    const int64_t each = 8 / (int64_t)sizeof(NUMBER);
    int64_t index, row, k;
    if (call->newest) return call->steps - 1;
    for (index = 0; index < call->steps - 1; index++) {
        for (row = first; row < last; row++) {
            const NUMBER *given = (const NUMBER *)call->leaving_gradient +
                                  (row * call->steps + STEP(call, index)) * call->units;
            uint64_t any = 0;
            for (k = 0; k < call->units; k += each) {
                uint64_t bits;
                memcpy(&bits, given + k, sizeof(bits));
                any |= bits;
            }
            if (any & unsigned_bits) return index;
        }
    }
    return index;
}

INLINE TARGET float NAME(sum_of)(VECTOR values) {
    float all[LANES], sum = 0.0f;
    int k;
    STORE(all, values);
    for (k = 0; k < LANES; k++) sum += all[k];
    return sum;
}

/* The gradients of one row's sums at one step, of one tile: into d; the cell's gradient goes on. Returns the size of what
 * was carried here, of which all that follows is made. */
INLINE TARGET VECTOR NAME(cell_gradients)(const recurrent_backward *call, int64_t tile, int64_t index, int64_t row,
                                        VECTOR *d) {
    const int64_t units = call->units, column = tile * LANES, place = row * call->steps + STEP(call, index);
    const int64_t slot = NAME(slot)(call->rows, units, index, tile, row);
    const SMALL *gate = (const SMALL *)call->gates + slot * 4;
    const float *earlier = call->cells + slot, *later = earlier + call->rows * units;
    float *carried = call->cell_gradient + row * units + column;
    float *table = call->table_gradient + call->ids[place] * 4 * units + tile * TILE;
    const VECTOR one = SET(1.0f), first = LOAD_SMALL(gate), second = LOAD_SMALL(gate + LANES);
    const VECTOR fresh = LOAD_SMALL(gate + 2 * LANES), fourth = LOAD_SMALL(gate + 3 * LANES);
    VECTOR hidden = LOAD(call->hidden_gradient + row * units + column), size;
    int j;
    if (!call->newest)
        hidden = ADD(hidden, LOAD_NUMBERS((const NUMBER *)call->leaving_gradient + place * units + column));
    else if (index == call->steps - 1)
        hidden = ADD(hidden, LOAD_NUMBERS((const NUMBER *)call->leaving_gradient + row * units + column));
    if (call->gru) { /* r z n, and what n remembers */
        const VECTOR state = ADD(hidden, LOAD(carried));
        d[2] = MUL(FNMA(state, second, state), FNMA(fresh, fresh, one));
        d[3] = MUL(d[2], first);
        d[0] = MUL(MUL(d[2], fourth), FNMA(first, first, first));
        d[1] = MUL(MUL(state, SUB(LOAD(earlier), fresh)), FNMA(second, second, second));
        STORE(carried, MUL(state, second));
        size = ABSOLUTE(state);
    } else { /* i f g o */
        const VECTOR bent = NAME(tangent)(LOAD(later));
        const VECTOR through = MUL(hidden, fourth);
        const VECTOR cell = ADD(LOAD(carried), FNMA(MUL(through, bent), bent, through));
        d[0] = MUL(MUL(cell, fresh), FNMA(first, first, first));
        d[1] = MUL(MUL(cell, LOAD(earlier)), FNMA(second, second, second));
        d[2] = MUL(MUL(cell, first), FNMA(fresh, fresh, one));
        d[3] = MUL(MUL(hidden, bent), FNMA(fourth, fourth, fourth));
        STORE(carried, MUL(cell, second));
        size = MAX(ABSOLUTE(cell), ABSOLUTE(hidden));
    }
    UNROLL
    for (j = 0; j < 4; j++) STORE(table + j * LANES, ADD(LOAD(table + j * LANES), d[j]));
    return size;
}

/* What one step hands back to the step before and to the layer below: `rows` rows, one tile of columns. */
INLINE TARGET void NAME(hand_back)(const recurrent_backward *call, const NUMBER *gradients, int64_t tile, int64_t step,
                                   int64_t first, int64_t row, const int rows) {
    const int64_t units = call->units, inputs = call->inputs;
    const NUMBER *from[MOST_ROWS];
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        from[r] = gradients + (row + r - first) * 4 * units;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = SET(0.0f);
    }
    NAME(multiply)((const NUMBER *)call->weights + tile * 4 * units * TILE, 4 * units, rows, from, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) {
            const int64_t column = tile * TILE + j * LANES;
            if (column < units)
                STORE(call->hidden_gradient + (row + r) * units + column, sums[r][j]);
            else if (column < units + inputs)
                STORE_NUMBERS((NUMBER *)call->entering_gradient +
                                  ((row + r) * call->steps + step) * inputs + column - units, sums[r][j]);
        }
    }
}

/* What entered the rows of one group at one step, LANES numbers at a time, beside one another: (LANES, GROUP). */
static TARGET void NAME(remember)(const recurrent_backward *call, NUMBER *entered, int64_t index, int64_t row,
                                  int64_t last, int64_t capacity) {
    const int64_t units = call->units, inputs = call->inputs;
    const NUMBER *hidden[GROUP], *entering[GROUP];
    int64_t k, g;
    for (g = 0; g < GROUP; g++) {
        const int64_t there = row + g < last ? row + g : row; /* the gradients of a row that is not there are zero */
        hidden[g] = (const NUMBER *)call->hidden + (index * call->rows + there) * units;
        entering[g] = (const NUMBER *)call->entering + (there * call->steps + STEP(call, index)) * inputs;
    }
    for (k = 0; k < units; k += LANES) INTERLEAVE(entered + k * capacity * GROUP, hidden, k);
    entered += units * capacity * GROUP;
    for (k = 0; k < inputs; k += LANES) INTERLEAVE(entered + k * capacity * GROUP, entering, k);
}

/* The walk ends where nothing more comes in and the norm of what is carried, over the rows and times the steps that are
 * left, has shrunk below an eighth of the last place of the largest such norm: what is left out is then, unless it grew
 * again, no larger than the error that this arithmetic makes anyway. So a window with one target is seldom walked to its
 * begin. */
static TARGET void NAME(backward)(const recurrent_backward *call, int64_t first, int64_t last, void *memory) {
    const int64_t units = call->units, tiles = units / LANES, rows = last - first, depth = units + call->inputs;
    const int64_t each = (rows + GROUP - 1) / GROUP, capacity = buffered(rows, units, GROUP) * each;
    NUMBER *gradients = memory;                                        /* (rows, 4 * units) of one step */
    NUMBER *grouped = gradients + rows * 4 * units;                    /* (tiles, capacity, TILE, GROUP) */
    NUMBER *entered = grouped + capacity * 4 * units * GROUP;          /* (depth / LANES, capacity, LANES, GROUP) */
    const int64_t given = NAME(first_given)(call, first, last);
    int64_t index, tile, row, count, filled = 0, ends = 0;
    float largest = 0.0f;
    int j, g;
    for (index = call->steps - 1; index >= 0 && !ends; index--) {
        VECTOR squares = SET(0.0f);
        for (tile = 0; tile < tiles; tile++) {
            NUMBER *group = grouped + (tile * capacity + filled) * TILE * GROUP;
            for (row = first; row < last; row += GROUP, group += TILE * GROUP) {
                VECTOR d[2][4];
                for (g = 0; g < GROUP; g++) {
                    if (row + g < last) {
                        const VECTOR size = NAME(cell_gradients)(call, tile, index, row + g, d[g]);
                        if (given) squares = FMA(size, size, squares);
                        for (j = 0; j < 4; j++)
                            STORE_NUMBERS(gradients + (row + g - first) * 4 * units + tile * TILE + j * LANES, d[g][j]);
                    } else {
                        for (j = 0; j < 4; j++) d[g][j] = SET(0.0f);
                    }
                }
                for (j = 0; j < 4; j++) STORE_GROUPS(group + j * LANES * GROUP, d[0][j], d[1][j]);
            }
        }
        for (row = first; row < last; row += GROUP)
            NAME(remember)(call, entered + (filled + (row - first) / GROUP) * LANES * GROUP, index, row, last, capacity);
        filled += each;
        if (given) {
            const float size = sqrtf(NAME(sum_of)(squares));
            largest = size > largest ? size : largest;
            ends = index > 0 && index <= given && size * (float)index < largest * NEGLIGIBLE;
        }
        for (tile = 0; tile < (depth + TILE - 1) / TILE && (call->inputs || !ends); tile++) {
            for (row = first; row < last; row += count) {
                count = NAME(together)(last - row);
                BY_COUNT(count, NAME(hand_back), call, gradients, tile, STEP(call, index), first, row)
            }
        }
        if (filled == capacity || index == 0 || ends) {
            NAME(gather)(call->weight_gradient, grouped, entered, tiles, depth, filled, capacity);
            filled = 0;
        }
    }
    if (!ends) return;
    memset(call->hidden_gradient + first * units, 0, rows * units * sizeof(float));
    memset(call->cell_gradient + first * units, 0, rows * units * sizeof(float));
    for (; call->inputs && index >= 0; index--)
        for (row = first; row < last; row++)
            memset((NUMBER *)call->entering_gradient + (row * call->steps + STEP(call, index)) * call->inputs, 0,
                   call->inputs * sizeof(NUMBER));
}

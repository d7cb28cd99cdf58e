    // One copy of the epilogue for eight rows, since a driver takes long to compile a copy for each. An array
    // of sums would live in slow memory.
    for (var n = 0u; n < 8u; n += 1u) {
        var sum_{e} = sum_{e}_0;
        sum_{e} = select(sum_{e}, sum_{e}_{n}, n == {n}u);
        epilogue(row + 8u * {e}u + n, column, sum_{e});
    }
}

    // A copy of the epilogue for each row: a loop that counts to a driver's limit has no turns to spare.
    epilogue(row + 8u * {e}u + {n}u, column, sum_{e}_{n});
}

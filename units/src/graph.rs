//! Cycles in a directed graph.

/// One cycle of each strongly connected part of the graph whose vertex `i` has edges to `edges[i]`: its vertices in
/// order, the smallest first. Linear in vertices and edges; no recursion.
#[must_use]
pub fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> =
        components(edges).into_iter().filter_map(|component| cycle_within(edges, &component)).collect();
    found.sort();
    found
}

/// The strongly connected components (Tarjan), iteratively.
fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut order = vec![UNSEEN; edges.len()];
    let mut low = vec![0; edges.len()];
    let mut on_stack = vec![false; edges.len()];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..edges.len() {
        if order[root] != UNSEEN {
            continue;
        }
        // Each entry: a vertex, and how many of its edges have been followed.
        let mut path = vec![(root, 0)];
        while let Some((vertex, followed)) = path.last_mut() {
            let vertex = *vertex;
            if *followed == 0 && order[vertex] == UNSEEN {
                (order[vertex], low[vertex]) = (next, next);
                next += 1;
                stack.push(vertex);
                on_stack[vertex] = true;
            }
            if let Some(&target) = edges[vertex].get(*followed) {
                *followed += 1;
                if order[target] == UNSEEN {
                    path.push((target, 0));
                } else if on_stack[target] {
                    low[vertex] = low[vertex].min(order[target]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[vertex]);
            }
            if low[vertex] == order[vertex] {
                let start = stack.iter().rposition(|at| *at == vertex).expect("it was pushed when first seen");
                let component = stack.split_off(start);
                component.iter().for_each(|at| on_stack[*at] = false);
                found.push(component);
            }
        }
    }
    found
}

/// A shortest cycle through the smallest vertex of a component; `None` when it is one vertex without an edge to itself.
fn cycle_within(edges: &[Vec<usize>], component: &[usize]) -> Option<Vec<usize>> {
    let start = *component.iter().min()?;
    if component.len() == 1 {
        return edges[start].contains(&start).then(|| vec![start]);
    }
    let inside: std::collections::HashSet<usize> = component.iter().copied().collect();
    let mut came_from = std::collections::HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(vertex) = queue.pop_front() {
        for &target in edges[vertex].iter().filter(|target| inside.contains(target)) {
            if target == start {
                let mut cycle = vec![vertex];
                while let Some(before) = came_from.get(cycle.last().expect("it is never empty")) {
                    cycle.push(*before);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if target != start && !came_from.contains_key(&target) {
                came_from.insert(target, vertex);
                queue.push_back(target);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strongly_connected_part_gives_one_shortest_cycle() {
        assert_eq!(cycles(&[vec![1], vec![2], vec![]]), Vec::<Vec<usize>>::new());
        assert_eq!(cycles(&[vec![1], vec![2], vec![0]]), [vec![0, 1, 2]]);
        assert_eq!(cycles(&[vec![0], vec![2], vec![1]]), [vec![0], vec![1, 2]]);
        assert_eq!(cycles(&[vec![1, 3], vec![2], vec![0], vec![0]]), [vec![0, 3]]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let mut edges: Vec<Vec<usize>> = (1..200_000).map(|next| vec![next]).collect();
        edges.push(vec![0]);
        assert_eq!(cycles(&edges)[0].len(), 200_000);
    }
}
